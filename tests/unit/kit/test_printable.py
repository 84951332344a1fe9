"""Names that steer the text around them are refused; what is shown of them is escaped."""

import json

import pytest

from licd_kit.printable import escaped, escaped_json, steers

STEERING = ["\x1b", "\0", "\n", "\x7f", "\x85", "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u202e", "\u2060"]
STEERING += ["\u2066", "\u2069", "\ufeff", "\ufff9", "\ud800", "\U000e0041", "\u00ad"]
HONEST = ["report-1", "报表一号", "Übersicht", "گزارش‌ها", "क्ष‍", "👩‍💻", "a\u3000b", "a\u00a0b", ""]


@pytest.mark.parametrize("character", STEERING)
def test_what_steers_is_found_and_shown_as_an_escape(character: str) -> None:
    assert steers(f"a{character}b")
    assert escaped(f"a{character}b").isprintable()
    assert escaped(f"a{character}b").startswith("a\\")


@pytest.mark.parametrize("name", HONEST)
def test_honest_names_of_every_script_are_none_of_these(name: str) -> None:
    assert not steers(name)


def test_a_page_gets_escapes_that_are_seen_and_everything_else_as_it_was() -> None:
    content = {"name": "a\u202eb\u2066", "path": "\\u202e \\", "company": "报表 \U0001f600 \U000e0041", "line": "\n"}
    shown = json.loads(escaped_json(json.dumps(content, ensure_ascii=False).encode()))
    assert shown["name"] == "a\\u202eb\\u2066"
    assert (shown["path"], shown["line"]) == (content["path"], "\n")
    assert shown["company"] == "报表 \U0001f600 \\ue0041"
