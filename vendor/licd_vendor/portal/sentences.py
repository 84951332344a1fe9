"""What one language of the portal is made of. Every language has all of it: the type checker sees to that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from licd_vendor.domain.scan import Refusal


@dataclass(frozen=True, slots=True)
class Words:
    """A refusal, in words."""

    status: HTTPStatus
    title: str
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The pages' own texts."""

    register_title: str
    register_text: str
    register_button: str
    register_hint: str
    release_title: str
    release_text: str
    release_button: str
    code_title: str
    code_label: str
    code_hint: str
    company: str
    project: str
    nodes: str
    node_count: str
    """Holds `{count}` and `{maximum}`."""
    outage_grace: str
    too_many_nodes: str
    released_title: str
    released_text: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """All sentences of one language."""

    texts: Texts
    refusals: Mapping[Refusal, Words]
    """For every refusal but CLOCK_OFF."""
    clock_off: Callable[[int], Words]
    """For CLOCK_OFF, from the server's clock minus the portal's in seconds."""
    no_such_page: Words
    wrong_method: Words
    too_large: Words
    too_often: Words
    busy: Words
    units: tuple[str, str, str, str]
    """Of days, hours, minutes and seconds."""


def split_span(seconds: int) -> tuple[int, int, int]:
    """Give a span of time as whole days, the hours and the minutes that are left of it."""
    minutes = seconds // 60
    return minutes // 1440, minutes // 60 % 24, minutes % 60
