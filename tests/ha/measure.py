"""`python -m ha.measure [LEASE_S] [COUNT]`: how long a failover and a planned handover take, as a node hears it.

From kill -9 of the leading daemon (or from the request to transfer) to the first heartbeat that the next one
acknowledges, with one etcd server, two daemons and three nodes at a heartbeat of 300 ms.
"""

import logging
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ha.world import Checker
from support.daemon import Daemon
from support.etcd import etcd_cluster
from support.several import Several, ending
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import leadership_service_pb2, leadership_service_pb2_grpc

OPTIONS = ("--lease-ttl", "30s", "--heartbeat-interval", "300ms")


def measure(lease_s: int, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each failover, and of each planned handover."""
    with tempfile.TemporaryDirectory(prefix="licd-ha-") as folder:
        return _measured(Path(folder), lease_s, count)


def _measured(folder: Path, lease_s: int, count: int) -> tuple[list[float], list[float]]:
    vendor, checker = TestVendor(), Checker()
    keys = vendor.write_keys(folder / "keys.json")

    def make(*options: str, name: str) -> Daemon:
        return Daemon(folder / name, keys, *options)

    with etcd_cluster(folder / "etcd") as etcd:
        url = etcd.url(secrets.token_hex(4), lease_ttl=f"{lease_s}s")
        with ending(Several(make, vendor, url, 2, *OPTIONS)) as several:
            for number, node in enumerate(several.registered(3)):
                checker.listen(f"node-{number}", node)
            failovers = [_failover(several, checker) for _ in range(count)]
            handovers = [_handover(several, checker) for _ in range(count)]
    checker.end()
    return failovers, handovers


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
    stub: Any = leadership_service_pb2_grpc.LeadershipServiceStub(several.leader().stubs("admin").channel)
    began = time.time()
    stub.TransferLeadership(leadership_service_pb2.TransferLeadershipRequest(), timeout=10)
    return _next_epoch(checker, began)


def _settled(several: Several, checker: Checker) -> None:
    """All three nodes beat at the leader, and the other daemon follows."""
    eventually(lambda: len(several.followers()) == 1, 20)
    checker.acks.clear()
    eventually(lambda: len({name for _, _, name in checker.acks}) == 3, 30)
    time.sleep(1.0)  # the follower stands ready: its key is in etcd


def _next_epoch(checker: Checker, began: float) -> float:
    epoch = max(epoch for epoch, _, _ in checker.acks)
    first = eventually(lambda: [sent for each, sent, _ in checker.acks if each > epoch], 60)
    return min(first) - began


def main() -> None:
    """See the module."""
    logging.disable(logging.CRITICAL)
    lease_s = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    failovers, handovers = measure(lease_s, count)
    for name, times in (("failover", failovers), ("handover", handovers)):
        told = " ".join(f"{each:.2f}" for each in sorted(times))
        print(f"{name}: median {statistics.median(times):.2f} s, of {told}")


if __name__ == "__main__":
    main()
