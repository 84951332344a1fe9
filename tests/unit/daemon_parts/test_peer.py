"""R35: a peer's address as events name it: its host, without a port, in one form however it came."""

import pytest

from licd_daemon.rpc.peer import address_of, plain_host


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:50123", "10.0.0.7"),
        ("ipv6:%5B::1%5D:50123", "::1"),
        ("ipv6:[2001:db8::7]:50123", "2001:db8::7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50123", "fe80::1%eth0"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:50123", "10.0.0.7"),
        ("unix:", "unix"),
        ("unix:/run/licd/licd.sock", "unix"),
        ("unix-abstract:licd", "unix"),
        ("", ""),
    ],
)
def test_R35_the_host_of_a_grpc_peer(peer: str, address: str) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize(
    ("host", "plain"),
    [("10.0.0.7", "10.0.0.7"), ("::ffff:10.0.0.7", "10.0.0.7"), ("::1", "::1"), ("::ffff:0:1", "::ffff:0:1")],
)
def test_R35_a_host_is_the_same_through_either_family(host: str, plain: str) -> None:
    assert plain_host(host) == plain
