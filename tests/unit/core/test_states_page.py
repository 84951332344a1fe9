"""docs/states.md is what the core does: generated again, it is the same."""

from support.pages import DOCS, generated


def test_the_state_diagrams_are_what_the_core_does() -> None:
    made = generated("generate_states", timeout=280)  # from a million decisions
    assert made == (DOCS / "states.md").read_text(encoding="utf-8"), "run `make states`"
