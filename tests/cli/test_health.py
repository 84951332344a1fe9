"""`licd health`: the exit code that Docker and scripts go by, against real daemons."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

from support.daemon import Daemon, running
from support.waiting import eventually

PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:9")
PROXIES |= {name.upper(): value for name, value in PROXIES.items()}


def health(daemon: Daemon, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a user who can read the data directory runs it."""
    command = [sys.executable, "-m", "licd_daemon", "health", "--data-dir", str(daemon.data_dir), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env})


def test_health_is_an_exit_code_that_no_proxy_and_no_missing_token_misleads(
    make_daemon: Callable[..., Daemon],
) -> None:
    with running(make_daemon("--lease-ttl", "1s", "--heartbeat-interval", "200ms")) as daemon:
        (daemon.data_dir / "tokens" / "admin.token").unlink()
        done = health(daemon, no_proxy="", **PROXIES)
        assert (done.returncode, done.stdout) == (0, "healthy\n"), done.stderr
        assert json.loads(health(daemon, "--output", "json").stdout) == {"status": "SERVING"}
        (daemon.data_dir / "lock").unlink()
        eventually(lambda: health(daemon).returncode == 1, 20)
        done = health(daemon)
        assert done.stderr.startswith("not healthy: ")
        assert len(done.stderr.splitlines()) == 1
        assert health(daemon, "--live").returncode == 0
    done = health(daemon)
    assert done.returncode == 3
    assert done.stderr.startswith("Unreachable: ")
