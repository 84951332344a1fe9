"""R35: the last use of a token: exact in memory, journaled once a day at most."""

from unit.core.world import DAY, HOUR, T0_S

from licd_daemon.core.model import Role, Token
from licd_daemon.engine.token_uses import TokenUses

T0 = T0_S * 1000


def token(used_at: int | None = None) -> Token:
    return Token("t", Role.NODE, "t", "hash", T0, used_at=used_at)


def test_R35_the_last_use_is_known_to_the_instant_and_due_once_a_day() -> None:
    uses = TokenUses()
    assert uses.last(token(), T0) is None
    uses.used(token(), T0)
    uses.used(token(), T0 + 1)
    assert uses.last(token(), T0 + HOUR) == T0 + 1
    assert uses.due() == (("t", T0),)
    uses.recorded(uses.due())
    uses.used(token(used_at=T0), T0 + DAY - 1)
    assert (uses.due(), uses.last(token(), T0 + DAY)) == ((), T0 + DAY - 1)
    uses.used(token(used_at=T0), T0 + DAY)
    assert uses.due() == (("t", T0 + DAY),)


def test_R35_an_open_stream_is_a_use_that_lasts() -> None:
    uses = TokenUses()
    uses.opened("t")
    uses.opened("t")
    uses.closed("t", T0)
    assert uses.last(token(), T0 + DAY) == T0 + DAY
    uses.closed("t", T0 + DAY)
    assert uses.last(token(), T0 + 2 * DAY) == T0 + DAY
    assert uses.due() == ()


def test_R35_after_a_start_it_is_what_the_journal_has() -> None:
    assert TokenUses().last(token(used_at=T0), T0 + DAY) == T0
