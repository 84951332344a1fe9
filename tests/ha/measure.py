"""`python -m ha.measure [LEASE_S] [COUNT] [NODES]`: how long failover and planned handover take, as a node hears it.

From kill -9 of the leading daemon (or from the request to transfer) to the first heartbeat that the next one
acknowledges, with one etcd server, two daemons and three nodes at a heartbeat of 300 ms; then planned handovers of a
thousand open streams, to the first and the last node's heartbeat. Every seat must be kept.
"""

import logging
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from ha.checker import Checker
from ha.crowd import Crowd
from support.daemon import Daemon
from support.etcd import etcd_cluster
from support.several import Several, ending, transfer
from support.vendor import TestVendor
from support.waiting import eventually

OPTIONS = ("--lease-ttl", "30s", "--heartbeat-interval", "300ms")
NODES = 3


@contextmanager
def _daemons(lease_s: int, *options: str) -> Iterator[Several]:
    with tempfile.TemporaryDirectory(prefix="licd-ha-") as name, etcd_cluster(Path(name) / "etcd") as etcd:
        vendor, folder = TestVendor(), Path(name)
        keys = vendor.write_keys(folder / "keys.json")

        def make(*given: str, name: str) -> Daemon:
            return Daemon(folder / name, keys, *given)

        url = etcd.url(secrets.token_hex(4), lease_ttl=f"{lease_s}s")
        with ending(Several(make, vendor, url, 2, *options)) as several:
            yield several


def measure(lease_s: int, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each failover, and of each planned handover."""
    checker = Checker(NODES)
    with _daemons(lease_s, *OPTIONS) as several:
        for number, node in enumerate(several.registered(NODES, max_nodes=NODES)):
            checker.listen(f"node-{number}", node)
        failovers = [_failover(several, checker) for _ in range(count)]
        handovers = [_handover(several, checker) for _ in range(count)]
    checker.end()
    return failovers, handovers


def crowded(lease_s: int, count: int, nodes: int) -> tuple[list[float], list[float]]:
    """Seconds of each planned handover of so many streams, until the first node and until the last has its answer.

    Raises:
        RuntimeError: a seat was lost.
    """
    with _daemons(lease_s, "--lease-ttl", "5m") as several:
        admin = several.admin()
        admin.upload(several.vendor.lic(max_nodes=nodes))
        with closing(Crowd(several, nodes)) as crowd:
            admin.register()
            times = list[tuple[float, float]]()
            for _ in range(count):
                leader = several.await_follower()
                times.append(crowd.moved(partial(transfer, leader)))
                if not all(crowd.seats()) or several.admin().registration().nodes_licensed != nodes:
                    raise RuntimeError("a seat was lost")
    return [first for first, _ in times], [last for _, last in times]


def _failover(several: Several, checker: Checker) -> float:
    leader = several.leader()
    _settled(several, checker)
    began = time.time()
    leader.kill()
    took = _next_epoch(checker, began)
    several.start()
    return took


def _handover(several: Several, checker: Checker) -> float:
    _settled(several, checker)
    leader = several.leader()
    began = time.time()
    transfer(leader).result()
    return _next_epoch(checker, began)


def _settled(several: Several, checker: Checker) -> None:
    """All three nodes beat at the leader, and the other daemon follows."""
    several.await_follower()
    checker.acks.clear()
    eventually(lambda: len({name for _, _, name in checker.acks}) == NODES, 30)


def _next_epoch(checker: Checker, began: float) -> float:
    epoch = max(epoch for epoch, _, _ in checker.acks)
    first = eventually(lambda: [sent for each, sent, _ in checker.acks if each > epoch], 60)
    return min(first) - began


def main() -> None:
    """See the module."""
    logging.disable(logging.CRITICAL)
    lease_s = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    nodes = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    failovers, handovers = measure(lease_s, count)
    first, last = crowded(lease_s, count, nodes)
    for name, times in (
        ("failover", failovers),
        ("handover", handovers),
        (f"handover of {nodes}, first", first),
        (f"handover of {nodes}, last", last),
    ):
        told = " ".join(f"{each:.2f}" for each in sorted(times))
        print(f"{name}: median {statistics.median(times):.2f} s, of {told}")


if __name__ == "__main__":
    main()
