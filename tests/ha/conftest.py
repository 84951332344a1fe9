"""Several daemons over a real etcd."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from support.daemon import Daemon
from support.etcd import EtcdCluster
from support.several import Several, ending
from support.vendor import TestVendor

LEASE_S = 3
OPTIONS = ("--lease-ttl", "15s", "--heartbeat-interval", "500ms")


@pytest.fixture
def several(etcd: EtcdCluster, make_daemon: Callable[..., Daemon], vendor: TestVendor) -> Iterator[Several]:
    """Two daemons with a short lease in etcd."""
    url = etcd.url(secrets.token_hex(4), lease_ttl=f"{LEASE_S}s")
    with ending(Several(make_daemon, vendor, url, 2, *OPTIONS)) as started:
        yield started
