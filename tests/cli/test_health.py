"""`licd health`: the exit code that Docker and scripts go by, against real daemons."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from support.daemon import Daemon, running
from support.waiting import eventually

from licd_daemon.cli.serve import certificates

PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:9")
PROXIES |= {name.upper(): value for name, value in PROXIES.items()}


def health(daemon: Daemon, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a user who can read the data directory runs it."""
    command = [sys.executable, "-m", "licd_daemon", "health", "--data-dir", str(daemon.data_dir), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env})


def test_health_is_an_exit_code_that_no_proxy_no_token_and_no_certificate_misleads(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    certificates.ensure_certificates(tmp_path / "other", [], datetime.now(UTC))
    misled = {"LICD_CA": str(tmp_path / "other" / "ca.crt"), "no_proxy": "", **PROXIES}
    with running(make_daemon("--lease-ttl", "1s", "--heartbeat-interval", "200ms")) as daemon:
        (daemon.data_dir / "tokens" / "admin.token").unlink()
        done = health(daemon, **misled)
        assert (done.returncode, done.stdout) == (0, "healthy\n"), done.stderr
        assert json.loads(health(daemon, "--output", "json").stdout) == {"status": "SERVING"}
        over_grpc = ("--address", daemon.address)
        assert health(daemon, *over_grpc, **PROXIES).stdout == "healthy\n"
        assert health(daemon, *over_grpc, **misled).returncode == 3
        (daemon.data_dir / "lock").unlink()
        eventually(lambda: health(daemon).returncode == 1, 20)
        assert health(daemon).stderr == "not healthy: leadership is not proven\n"
        assert health(daemon, *over_grpc).stderr.startswith("not healthy: ")
        assert health(daemon, "--live").returncode == health(daemon, *over_grpc, "--live").returncode == 0
    for options in ((), over_grpc):
        done = health(daemon, *options)
        assert (done.returncode, done.stderr.partition(" ")[0]) == (3, "Unreachable:")


def test_health_of_a_daemon_without_an_ops_port_is_asked_over_grpc(make_daemon: Callable[..., Daemon]) -> None:
    with running(make_daemon("--ops-listen", "off")) as daemon:
        assert health(daemon, **PROXIES).stdout == "healthy\n"
