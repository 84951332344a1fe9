"""R31: the journal's files are taken away under a running daemon: it acknowledges nothing, says so, and comes back."""

import urllib.error
import urllib.request

import grpc
import pytest
from faults.cluster import MakeDaemon
from faults.test_disk import NOT_SERVING, SERVING, health
from support.daemon import Daemon, running
from support.refusal import refused
from support.waiting import eventually

from licd.v1 import token_service_pb2

FILES = ("journal.db", "journal.db-wal", "journal.db-shm")


def ready(daemon: Daemon) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return int(opener.open(f"{daemon.ops}/readyz", timeout=5).status) == 200
    except urllib.error.HTTPError:
        return False


@pytest.mark.parametrize("names", [FILES, FILES[:1], FILES[1:2]], ids=["all", "database", "log"])
def test_R31_a_journal_taken_away_ends_every_acknowledgement_and_its_return_brings_them_back(
    make_daemon: MakeDaemon, names: tuple[str, ...]
) -> None:
    with running(make_daemon("--proof-interval", "1s")) as daemon:
        for name in names:
            (daemon.data_dir / name).rename(daemon.data_dir / f"{name}.aside")
        eventually(lambda: health(daemon) == NOT_SERVING)
        assert not ready(daemon)
        create = daemon.stubs("admin").tokens.CreateToken
        with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER"):
            create(token_service_pb2.CreateTokenRequest(role=token_service_pb2.ROLE_VIEWER, name="lost"))
        lost = eventually(lambda: [each for each in daemon.log if each["event"] == "leadership_not_proven"])
        assert f"{daemon.data_dir / names[0]} can't be found" in lost[0]["cause"]
        for name in names:
            (daemon.data_dir / f"{name}.aside").rename(daemon.data_dir / name)
        eventually(lambda: health(daemon) == SERVING)
        eventually(lambda: [each for each in daemon.log if each["event"] == "leadership_proven_again"])
        create(token_service_pb2.CreateTokenRequest(role=token_service_pb2.ROLE_VIEWER, name="kept"))
