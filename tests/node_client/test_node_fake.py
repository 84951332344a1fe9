"""FakeNode, for the tests of programs that link node_client."""

import asyncio
import math
import threading

import pytest

from node_client import Failure, NodeState
from node_client.testing import FakeNode

FAILURE = Failure("CLOCK_DRIFT", "Server clocks do not agree", "by 12 s", "Set the clock.")


def test_a_fake_node_is_what_the_test_says() -> None:
    seen: list[NodeState] = []
    with FakeNode(on_change=lambda node: seen.append(node.state)) as node:
        assert node.state is NodeState.CONNECTING
        node.set_state(NodeState.LICENSED)
        assert node.is_licensed()
        assert node.lease_left > 0
        assert node.wait_licensed()
        node.set_state(NodeState.REJECTED)
        node.set_failures([FAILURE])
        assert not node.is_licensed()
        assert node.failures == (FAILURE,)
    assert seen == [NodeState.LICENSED, NodeState.REJECTED, NodeState.REJECTED, NodeState.CLOSED]


def test_a_fake_node_wakes_those_who_wait() -> None:
    node = FakeNode()
    waiting = threading.Thread(target=node.set_state, args=(NodeState.LICENSED,))

    async def scene() -> bool:
        waiter = asyncio.create_task(node.wait_licensed_async(5))
        await asyncio.sleep(0)
        waiting.start()
        return await waiter

    assert asyncio.run(scene())
    waiting.join()


def test_a_closed_fake_node_stays_closed_as_a_real_one_does() -> None:
    node = FakeNode(NodeState.LICENSED)
    node.close()
    node.close()
    assert node.wait_licensed() is False
    with pytest.raises(ValueError, match=r"^state: "):
        node.set_state(NodeState.LICENSED)


@pytest.mark.parametrize("timeout", [math.inf, 1e10, 1e308, 10**400])
def test_a_wait_may_be_endless(timeout: float) -> None:
    node = FakeNode()
    waiting = threading.Thread(target=node.set_state, args=(NodeState.LICENSED,))
    waiting.start()
    assert node.wait_licensed(timeout)
    waiting.join()

    async def scene() -> bool:
        later = FakeNode()
        waiter = asyncio.create_task(later.wait_licensed_async(timeout))
        await asyncio.sleep(0)
        later.set_state(NodeState.LICENSED)
        return await waiter

    assert asyncio.run(scene())


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, -(10**400), math.nan])
def test_a_wait_of_no_length_looks(timeout: float) -> None:
    assert FakeNode().wait_licensed(timeout) is False
    assert asyncio.run(FakeNode(NodeState.LICENSED).wait_licensed_async(timeout)) is True
