"""The benchmark measures what it says: only its own processes, only what the server confirms, ratios of one round."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import etcd_messages
from bench.crowd import Members
from bench.figures import FIGURES, results
from bench.process import check_owner, cpu_s, rss_kb
from bench.servers import Bare, Server, running
from bench.trials import QUICK, TRIALS, Scale, joins

NAMES = {
    *(f"join_rate_{callers}" for callers in (1, 16, 64)),
    "join_p99_16", "join_p99_64", "join_cpu_16", "join_cpu_64", "heartbeat_cpu_paced_1000",
    "heartbeat_cpu_paced_1000_tls", "heartbeat_rate_1000", "rss_per_node_tls_1000", "rss_per_node_tls_10000",
    "storm_1000_tls", "recovery_1000", "detect_lost", "hold_cpu_10000", "portal_scans",
}  # fmt: skip


@pytest.fixture(params=["tls", "plain"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with running(Bare(tmp_path, tls=request.param == "tls", ttl_s=15)) as server:
        yield server


def test_a_port_of_another_process_is_not_measured() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        check_owner(os.getpid(), port)
        with pytest.raises(RuntimeError, match="which this run started"):
            check_owner(os.getppid(), port)


def test_a_port_that_nobody_serves_is_not_measured() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(RuntimeError, match="which this run started"):
            check_owner(os.getpid(), bound.getsockname()[1])


def test_the_systems_accounting_is_read() -> None:
    assert cpu_s(os.getpid()) > 0
    assert rss_kb(os.getpid()) > 1000


def test_the_generator_speaks_to_a_grpc_server(bare: Server) -> None:
    members = Members(bare)
    try:
        members.gather(3, 2)
        members.burst(3)
        assert members.acknowledged == 24
        assert members.saturate(1) > 3
        members.settle()
        assert members.pace(2, 0.1) >= 6
    finally:
        members.loop.close()


def test_a_call_that_is_refused_is_a_failure(bare: Server) -> None:
    with pytest.raises(TimeoutError, match="without an answer"):
        bare.ask("/licd.v1.NodeService/NoSuchMethod", b"")


def test_callers_count_what_was_answered(bare: Server) -> None:
    figures = joins(bare, Scale(joins=1))
    assert figures["join_rate_16"] > 0
    assert figures["join_cpu_16"] > 0


def test_etcds_messages_are_as_its_contract_says() -> None:
    assert etcd_messages.lease_grant(300, 15) == b"\x08\x0f\x10\xac\x02"
    assert etcd_messages.put(b"k", b"v", 1) == b"\x0a\x01k\x12\x01v\x18\x01"
    assert etcd_messages.count(b"\x0a\x02\x08\x01\x20\xac\x02") == 300
    assert etcd_messages.count(b"\x0a\x00") == 0


def test_the_ratio_is_of_one_round_and_its_spread_is_told() -> None:
    rounds = [
        {"licd": {"join_rate_16": 100.0}, "etcd": {"join_rate_16": 50.0}},
        {"licd": {"join_rate_16": 30.0}, "etcd": {"join_rate_16": 10.0}},
        {"licd": {"join_rate_16": 90.0}, "etcd": {"join_rate_16": 60.0}},
    ]
    (line,) = results(rounds)
    assert line == {
        "name": "join_rate_16", "unit": "1/s", "licd": 90.0, "yardstick": 50.0, "against": "etcd", "ratio": 2.0,
        "spread": 0.75, "n": 3,
    }  # fmt: skip


def test_every_figure_that_was_promised_has_a_trial() -> None:
    assert {figure.name for figure in FIGURES} >= NAMES
    assert {figure.trial for figure in FIGURES} == set(TRIALS)
    assert QUICK.few < Scale().few
