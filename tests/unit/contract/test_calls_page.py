"""docs/calls.md is what the protos say: generated again, it is the same."""

from support.pages import DOCS, generated


def test_the_page_of_calls_is_what_the_protos_say() -> None:
    assert generated("generate_calls") == (DOCS / "calls.md").read_text(encoding="utf-8"), "run `make proto`"
