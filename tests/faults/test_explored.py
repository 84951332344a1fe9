"""The model, searched: no order of messages, losses, restarts, stalls and people breaks R13 or R17."""

from faults.explore import QUICK_DEPTH, explore


def test_R13_R17_no_path_of_the_model_breaks_a_promise() -> None:
    found = explore(QUICK_DEPTH, nodes=2, max_nodes=1, budget_s=280)
    assert found.violation == ""
    assert found.depth == QUICK_DEPTH
    assert found.states > 5_000


def test_R13_R17_three_nodes_on_two_seats() -> None:
    found = explore(4, nodes=3, max_nodes=2, budget_s=280)
    assert found.violation == ""
    assert found.depth == 4
