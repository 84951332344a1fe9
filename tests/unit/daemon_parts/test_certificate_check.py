"""R34: what keeps clients from using a certificate, held against what gRPC's own clients do with it."""

from concurrent import futures
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import DAY, Authority, chain_of

from licd_daemon.operations.certificate_check import Fault, Grade, Host, ends_at, faults

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CA = Authority()
HOST = "licd.example"
ADVERTISED = Host(HOST, advertised=True)


def judge(pem: bytes, *, host: Host | None = ADVERTISED, confirmed: datetime = LONG_AGO) -> list[Fault]:
    return faults(chain_of(pem), host, datetime.now(UTC), confirmed)


def grades(pem: bytes, *, host: Host | None = ADVERTISED, confirmed: datetime = LONG_AGO) -> list[Grade]:
    return [fault.grade for fault in judge(pem, host=host, confirmed=confirmed)]


def connects(pair: tuple[bytes, bytes], host: str) -> bool:
    """Whether a client of gRPC that trusts the CA takes the server for `host`."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair[::-1]]))
    server.start()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", host)]
    channel = grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(CA.pem), options)
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/any/call")
    with channel, pytest.raises(grpc.RpcError) as answer:
        call(b"", timeout=10)
    server.stop(0)
    return "Method not found" in str(answer.value)


INTERMEDIATE = Authority("intermediate", CA)
UNRELATED = Authority("unrelated")
OLD = Authority("old intermediate", CA, end=datetime.now(UTC) - DAY)


def followed_by(pair: tuple[bytes, bytes], *more: Authority) -> tuple[bytes, bytes]:
    return pair[0] + b"".join(each.pem for each in more), pair[1]


@pytest.mark.parametrize(
    ("pair", "usable"),
    [
        pytest.param(CA.issue(names=[HOST]), True, id="good"),
        pytest.param(CA.issue(names=["Licd.Example"]), True, id="in other letters"),
        pytest.param(CA.issue(names=["*.example"]), True, id="wildcard"),
        pytest.param(CA.issue(names=["*.licd.example"]), False, id="wildcard below it"),
        pytest.param(CA.issue(names=[], name=HOST), True, id="common name only"),
        pytest.param(CA.issue(names=["other.example"], name=HOST), False, id="other name"),
        pytest.param(CA.issue(names=[]), False, id="no name"),
        pytest.param(CA.issue(names=[HOST], end=-DAY), False, id="ended"),
        pytest.param(CA.issue(names=[HOST], begin=DAY), False, id="not valid yet"),
        pytest.param(CA.issue(names=[HOST], uses=[ExtendedKeyUsageOID.CLIENT_AUTH]), False, id="for clients"),
        pytest.param(CA.issue(names=[HOST], uses=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False, id="any use"),
        pytest.param(followed_by(INTERMEDIATE.issue(names=[HOST]), INTERMEDIATE), True, id="chain"),
        pytest.param(followed_by(INTERMEDIATE.issue(names=[HOST]), CA, INTERMEDIATE), True, id="chain in any order"),
        pytest.param(followed_by(INTERMEDIATE.issue(names=[HOST]), UNRELATED), False, id="other chain"),
        pytest.param(followed_by(OLD.issue(names=[HOST]), OLD), False, id="chain ended"),
    ],
)
def test_R34_what_is_reported_is_what_grpc_refuses(pair: tuple[bytes, bytes], *, usable: bool) -> None:
    assert connects(pair, HOST) is usable
    assert (not judge(pair[0])) is usable


def test_R34_an_end_refuses_only_by_a_confirmed_clock() -> None:
    pem, _ = CA.issue(names=[HOST], end=-DAY)
    assert grades(pem) == [Grade.UNUSABLE]
    assert "by a clock that nothing has confirmed" in judge(pem)[0].detail
    assert grades(pem, confirmed=datetime.now(UTC)) == [Grade.REFUSED]


def test_R34_a_clock_that_is_behind_refuses_nothing() -> None:
    pem, _ = CA.issue(names=[HOST], begin=DAY)
    assert grades(pem, confirmed=datetime.now(UTC)) == [Grade.UNUSABLE]


@pytest.mark.parametrize(("days", "within"), [(29, "30 days"), (6, "7 days"), (0.5, "a day")])
def test_R34_the_end_is_reported_30_7_and_1_days_before(days: float, within: str) -> None:
    assert grades(CA.issue(names=[HOST], end=31 * DAY)[0]) == []
    (fault,) = judge(CA.issue(names=[HOST], end=days * DAY)[0])
    assert (fault.grade, f"ends within {within}, at " in fault.detail) == (Grade.NEAR_ITS_END, True)


def test_R34_the_first_end_of_a_chain_counts() -> None:
    soon = datetime.now(UTC) + timedelta(days=3)
    pem, _ = followed_by(INTERMEDIATE.issue(names=[HOST]), Authority("intermediate", CA))
    assert ends_at(chain_of(pem)) > soon, "one that has not issued it does not count"
    brief = Authority("brief", CA, end=soon)
    pem, _ = followed_by(brief.issue(names=[HOST]), brief)
    assert ends_at(chain_of(pem)) == soon.replace(microsecond=0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (Host("127.0.0.1", advertised=True), []),
        (Host("10.0.0.5", advertised=True), [Grade.REFUSED]),
        (Host("10.0.0.5", advertised=False), [Grade.UNUSABLE]),
        (None, []),
    ],
)
def test_R34_only_a_name_that_is_advertised_refuses(host: Host | None, expected: list[Grade]) -> None:
    assert grades(CA.issue()[0], host=host) == expected
