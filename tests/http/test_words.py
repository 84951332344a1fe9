"""The catalogues of words are complete in every language, and the right one is chosen."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from support.console import Console

from licd_daemon.console import words
from licd_daemon.console.pages import KINDS
from licd_daemon.core import events
from licd_daemon.core.model import Actor, Role
from licd_daemon.core.view import NodeState, RegistrationState

HTTP = Path(words.__file__).parent
PLACE = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("language", sorted(words.LANGUAGES))
def test_every_language_has_every_word_with_its_places(language: str) -> None:
    english, other = words.catalogue("en"), words.catalogue(language)
    assert list(other) == list(english)
    assert all(other.values())
    assert {key: set(PLACE.findall(text)) for key, text in other.items()} == {
        key: set(PLACE.findall(text)) for key, text in english.items()
    }


def test_every_kind_state_role_and_actor_has_a_word() -> None:
    catalogue = words.catalogue("en")
    assert set(KINDS) == {events.snake(kind.__name__) for kind in events.Event.__subclasses__()}
    assert {f"kind.{kind}" for kind in KINDS} == {key for key in catalogue if key.startswith("kind.")}
    for state in RegistrationState:
        assert f"state.{state}" in catalogue
        assert f"advice.{state}" in catalogue
    assert {f"node.{state}" for state in NodeState} <= set(catalogue)
    assert {f"role.{role}" for role in Role} == {key for key in catalogue if key.startswith("role.")}
    kinds = get_args(get_type_hints(Actor)["kind"])
    assert {f"events.by.{kind}" for kind in kinds} == {key for key in catalogue if key.startswith("events.by.")}


def test_every_word_that_is_asked_for_is_there_and_every_other_is_used() -> None:
    text = "".join(path.read_text() for path in [*HTTP.glob("static/*.js"), *HTTP.glob("templates/*.html")])
    asked = set(re.findall(r'(?:\bt\(|words\[|words\.get\()["\']([a-z_.A-Z]+[a-zA-Z_])["\']', text))
    made = {
        "kind.",
        "state.",
        "advice.",
        "ended.",
        "node.",
        "nodes.",
        "fact.",
        "role.",
        "events.by.",
        "nav.",
        "timeline.",
        "reason.",
        "reset.",
        "release.",
    }
    catalogue = words.catalogue("en")
    assert asked <= set(catalogue)
    unused = {key for key in set(catalogue) - asked if f'"{key}"' not in text and f"'{key}'" not in text}
    assert {key for key in unused if not any(key.startswith(start) for start in made)} == set()


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "de-DE,de;q=0.9,en;q=0.5,zh;q=0.4", "en"),
        ("", "en;q=0.1, zh-TW;q=0.2", "zh"),
        ("", "fr, *;q=0.5", "en"),
        ("", "zh;q=x, en", "en"),
        ("zh", "en", "zh"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_person_chooses_the_language_else_the_browser(asked: str, accepted: str, chosen: str) -> None:
    assert words.choose(asked, accepted) == chosen


def test_the_switch_is_remembered(browse: Callable[[str], Console]) -> None:
    browser: Console = browse("")
    switched = browser.get("/login?language=zh")
    assert (switched.status, switched.headers["location"]) == (303, "/login")
    browser.cookie = switched.cookies[0].partition(";")[0]
    page = browser.get("/login", accept_language="en")
    assert '<html lang="zh">' in page.content.decode()
    assert browser.get("/login?language=xx").cookies == []
