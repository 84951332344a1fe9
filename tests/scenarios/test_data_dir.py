"""Data at rest: what is open to other users when the daemon starts is closed, or refused in words."""

import stat
from collections.abc import Callable

import pytest
from support.daemon import Daemon, running

MakeDaemon = Callable[..., Daemon]


def test_a_data_directory_that_others_can_enter_is_closed_and_the_log_says_so(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    with running(daemon):
        daemon.stop()
        files = [path for path in daemon.data_dir.rglob("*") if path.is_file() and path.suffix != ".crt"]
        for path in (daemon.data_dir, *files):
            path.chmod(0o777)
        link = daemon.data_dir / "tokens" / "viewer.token"
        secret = link.rename(daemon.data_dir / "handed-over")
        secret.chmod(0o444)
        link.symlink_to(secret)
        daemon.log.clear()
        daemon.start()
        open_to_others = {path.name for path in files if path.is_file() and path.stat().st_mode & 0o077}
        assert open_to_others == {"viewer.token"}
        assert stat.S_IMODE(daemon.data_dir.stat().st_mode) == 0o700
        assert "data_directory_open_to_others" in {line["event"] for line in daemon.log}
        named = {line["path"].rpartition("/")[2] for line in daemon.log if line["event"] == "file_open_to_others"}
        assert named >= {"journal.db", "lock", "ca.key", "server.key", "admin.token", "node.token"}


@pytest.mark.parametrize("mode", [0o1777, 0o755])
def test_a_folder_that_is_not_licds_alone_is_refused_in_words(make_daemon: MakeDaemon, mode: int) -> None:
    daemon = make_daemon()
    daemon.data_dir.mkdir()
    (daemon.data_dir / "passwd").touch()
    daemon.data_dir.chmod(mode)
    with pytest.raises(RuntimeError, match=r"--data-dir: .*name a folder of its own"), running(daemon):
        pass
    assert stat.S_IMODE(daemon.data_dir.stat().st_mode) == mode
    assert [path.name for path in daemon.data_dir.iterdir()] == ["passwd"]
