"""`licd journal copy`: from a file to etcd and back, verified; never while a daemon uses either."""

import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.etcd import EtcdCluster
from support.several import Several, ending
from support.vendor import TestVendor
from support.waiting import eventually

Make = Callable[..., Daemon]


def licd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "licd_daemon", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_to_etcd_and_back_the_cluster_is_the_same(
    etcd: EtcdCluster, make_daemon: Make, vendor: TestVendor, tmp_path: Path
) -> None:
    alone = make_daemon()
    with running(alone):
        Admin(alone.stubs("admin"), vendor).upload(vendor.lic(company="Moved Ltd"))
    file, url = f"sqlite:{alone.data_dir / 'journal.db'}", etcd.url(secrets.token_hex(4), lease_ttl="5s")
    there = licd("journal", "copy", file, url)
    assert there.returncode == 0, there.stderr
    assert there.stdout == licd("journal", "verify", "--journal", url).stdout

    several = Several(make_daemon, vendor, url, 1)
    for role in ("admin", "viewer", "node"):
        (several.daemons[0].data_dir / "tokens" / f"{role}.token").write_text(alone.token(role))
    with ending(several):
        registration = several.admin().registration()
        assert registration.license.company == "Moved Ltd"
        assert registration.leader.epoch == 2
        busy = licd("journal", "copy", url, f"sqlite:{tmp_path / 'busy.db'}")
        assert (busy.returncode, "stop all daemons first" in busy.stderr) == (1, True)
        several.daemons[0].stop()

    again = licd("journal", "copy", file, url)
    assert (again.returncode, "name an empty one" in again.stderr) == (1, True)
    back = licd("journal", "copy", url, f"sqlite:{tmp_path / 'back.db'}")
    assert back.returncode == 0, back.stderr
    assert back.stdout == licd("journal", "verify", "--journal", f"sqlite:{tmp_path / 'back.db'}").stdout
    assert back.stdout != there.stdout


def test_r14_a_restored_older_copy_is_refused_by_a_node_that_has_seen_more(
    etcd: EtcdCluster, make_daemon: Make, vendor: TestVendor, tmp_path: Path
) -> None:
    url, older = etcd.url(secrets.token_hex(4), lease_ttl="5s"), f"sqlite:{tmp_path / 'older.db'}"
    several = Several(make_daemon, vendor, url, 1, "--heartbeat-interval", "300ms", "--lease-ttl", "2s")
    (daemon,) = several.daemons
    with ending(several):
        (node,) = several.registered(1)
        daemon.stop()
        assert licd("journal", "copy", url, older).returncode == 0
        for _ in range(2):  # two epochs that the copy does not know
            daemon.start()
            eventually(lambda: several.admin().state == "REGISTERED" and node.is_licensed(), 20)
            daemon.stop()
        daemon.options[daemon.options.index(url)] = restored = etcd.url(secrets.token_hex(4), lease_ttl="5s")
        assert licd("journal", "copy", older, restored).returncode == 0
        daemon.start()
        failures = eventually(lambda: [each for each in node.failures if each.reason == "JOURNAL_OLDER"], 20)
        assert "older than what this node has seen" in failures[0].title
        eventually(lambda: not node.is_licensed())


def test_a_journal_in_use_is_not_copied(etcd: EtcdCluster, daemon: Daemon) -> None:
    done = licd("journal", "copy", f"sqlite:{daemon.data_dir / 'journal.db'}", etcd.url(secrets.token_hex(4)))
    assert (done.returncode, "already uses" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sqlite:a", "sqlite:a"), "the same journal"),
        (("memory:", "sqlite:a"), "is neither"),
        (("sqlite:/no/such/journal.db", "etcd://127.0.0.1:2379"), "there is no journal"),
        (("etcd://127.0.0.1:2379", "sqlite:/no/such/folder/journal.db"), "make it first"),
        (("etcd://etcd.example:2379", "etcd://127.0.0.1:2379"), "insecure=yes"),
    ],
)
def test_a_wrong_name_makes_nothing(arguments: tuple[str, str], told: str) -> None:
    done = licd("journal", "copy", *arguments)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
