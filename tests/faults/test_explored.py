"""The model, searched: no order of messages, losses, restarts, stalls and people breaks R13 or R17."""

from faults import streams
from faults.explore import QUICK_DEPTH, explore


def test_R13_R17_no_path_of_the_model_breaks_a_promise() -> None:
    found = explore(QUICK_DEPTH, nodes=2, max_nodes=1, budget_s=280)
    assert found.violation == ""
    assert found.depth == QUICK_DEPTH
    assert found.states > 5_000


def test_R13_R17_three_nodes_on_two_seats() -> None:
    found = explore(4, nodes=3, max_nodes=2, registered=2, budget_s=280)
    assert found.violation == ""
    assert found.depth == 4


def test_R16_no_path_ends_an_honest_process_and_every_copy_is_found() -> None:
    walked = streams.walk(range(4_000))
    assert walked.violation == ""
    assert walked.steps > 100_000
    assert walked.copies > 100, "some are found along the way, all others once the network is well"


def test_R17_a_node_that_joined_later_on_a_seat_to_spare() -> None:
    found = explore(QUICK_DEPTH, nodes=2, max_nodes=2, registered=1, budget_s=280)
    assert found.violation == ""
    assert found.depth == QUICK_DEPTH
