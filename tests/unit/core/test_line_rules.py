"""R11, R13, R16: the line for a seat, and its order over losses and restarts."""

from unit.core.world import GRACE, licensed


def test_R11_the_first_in_line_gets_the_next_seat() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.join("c")
    assert w.nodes("a", "b", "c") == "LICENSED WAITING WAITING"
    w.leave("a")
    assert w.nodes("b", "c") == "LICENSED WAITING"


def test_R18_a_free_seat_finds_the_line_although_its_former_head_has_not_returned() -> None:
    w = licensed(max_nodes=1).register("seated")
    for name in ("absent", "first", "second"):
        w.join(name)
    w.restart()
    w.resume("second")
    w.resume("first")
    w.resume("seated")
    w.later(GRACE)
    w.leave("seated")
    assert w.nodes("first", "second") == "LICENSED WAITING"


def test_R16_a_place_kept_over_a_restart_is_never_given_to_a_lost_session_that_returns() -> None:
    w = licensed(max_nodes=2).register("seated", "lost")
    w.silent("lost")
    w.join("successor")
    w.heard("seated")
    w.join("first")
    w.join("second")
    w.restart()
    w.resume("seated")
    w.resume("successor")
    w.resume("second")
    w.resume("lost")
    w.resume("first")
    assert sorted(w.state.line.values()) == ["first", "lost", "second"]
    assert w.nodes("lost", "first", "second") == "WAITING WAITING WAITING"
    w.later(GRACE)
    w.leave("seated")
    assert w.node("lost") == "LICENSED"
    w.leave("lost")
    assert w.node("first") == "LICENSED"
    w.leave("first")
    assert w.node("second") == "LICENSED"


def test_R16_a_lost_session_that_returns_stands_at_the_head_of_the_line() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.join("c")
    w.heard("a")
    w.silent("a")
    assert w.node("b") == "LICENSED"
    w.resume("a")
    assert w.nodes("a", "c") == "WAITING WAITING"
    w.leave("b")
    assert w.nodes("a", "c") == "LICENSED WAITING"


def test_R16_a_lost_session_that_returns_gets_a_seat_if_one_is_free() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.silent("a")
    w.resume("a")
    assert w.nodes("a", "b") == "LICENSED LICENSED"


def test_a_waiting_node_that_leaves_or_is_lost_or_drifts_leaves_the_line() -> None:
    w = licensed(max_nodes=1).register("a")
    for name in ("b", "c", "d", "e"):
        w.join(name)
    w.leave("b")
    w.silent("c")
    w.drift("d", joining=True)
    w.leave("a")
    assert w.nodes("d", "e") == "REJECTED LICENSED"
    w.heal("d")
    assert w.node("d") == "WAITING"
