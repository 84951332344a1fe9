"""What became of the cluster before: the registration that ended (R17), and what was refused (R4)."""

from collections.abc import Sequence
from datetime import datetime

from licd.v1.failure_pb2 import Failure
from licd.v1.registration_service_pb2 import EndCause, EndedRegistration
from licd_daemon.cli.text import clean, failure_lines, left, short, when

_MOST_NAMED = 10


def ended_rows(ended: EndedRegistration, now: datetime) -> list[tuple[str, str]]:
    """Since when there is no registration, why, and whose it was, as rows of the status."""
    at = f"{when(ended.ended_at)} ({left(ended.ended_at, now)})"
    rows = [("Ended", f"{at} {_why(short(EndCause, ended.cause, 'END_CAUSE_'))}".rstrip())]
    nodes = f"; seats were held by {_names(ended.nodes)}" if ended.nodes else ""
    return [*rows, ("", f"registered {when(ended.registered_at)}{nodes}")]


def _why(cause: str) -> str:
    """In the words that nodes get; a cause that is unknown here is named."""
    from licd_daemon.core.checks import ENDED

    return {known.value: words for known, words in ENDED.items()}.get(cause, f"({cause})")


def _names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - _MOST_NAMED} more" if len(nodes) > _MOST_NAMED else ""
    return ", ".join(clean(name) for name in nodes[:_MOST_NAMED]) + more


def refused_lines(failures: Sequence[Failure], present: Sequence[Failure]) -> list[str]:
    """The newest refusal with its remedies, and one line for each reason before it.

    Args:
        failures: what was refused, newest first.
        present: what is shown as holding now, which need not be shown twice.
    """
    shown = {_what(failure) for failure in present}
    past = [failure for failure in failures if _what(failure) not in shown]
    if not past:
        return []
    newest = [failure for failure in past if failure.at == past[0].at]
    at = f" ({when(past[0].at)})" if past[0].HasField("at") else ""
    lines = ["", f"The last upload or registration that was refused{at}:", *failure_lines(newest)]
    if earlier := past[len(newest) :]:
        lines += ["", "Refused before:", *map(_line, earlier)]
    return lines


def _what(failure: Failure) -> tuple[int, str, str]:
    return failure.reason, failure.detail, failure.node_name


def _line(failure: Failure) -> str:
    of_node = f" (node {clean(failure.node_name)})" if failure.node_name else ""
    return f"- {when(failure.at)}: {clean(failure.title)}{of_node}"
