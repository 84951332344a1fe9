"""`licd serve`: where its settings come from."""

from pathlib import Path

import pytest
from cli.scripted_daemon import Licd

from licd_daemon.cli.serve.command import config_of, serve
from licd_daemon.cli.serve.config import ServeConfig


def configured(*arguments: object) -> ServeConfig:
    """What `licd serve` with these arguments would start the daemon with."""
    return config_of(serve.make_context("serve", [str(each) for each in arguments]).params)


def test_option_over_environment_over_file_over_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "licd.toml"
    file.write_text("lease-ttl = 41\nmax_clock_drift = '42s'\nrecovery-window = '43s'\ntls-san = ['a', 'b']\n")
    monkeypatch.setenv("LICD_LEASE_TTL", "51s")
    monkeypatch.setenv("LICD_MAX_CLOCK_DRIFT", "52s")
    config = configured("--config", file, "--lease-ttl", "61s")
    assert (config.lease_ttl_ms, config.max_clock_drift_ms) == (61_000, 52_000)
    assert (config.recovery_window_ms, config.heartbeat_interval_ms) == (43_000, 5_000)
    assert config.tls_san == ("a", "b")


def test_the_file_may_come_from_the_environment_and_hold_the_clients_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "licd.toml"
    file.write_text("listen = '127.0.0.1:1'\ninsecure = true\naddress = 'for:1'\n")
    monkeypatch.setenv("LICD_CONFIG", str(file))
    assert (configured().listen, configured().insecure) == ("127.0.0.1:1", True)


def test_kubernetes_and_strangers_in_the_environment_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICD_PORT", "tcp://10.0.0.1:7443")
    monkeypatch.setenv("LICD_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("LICD_COLOUR", "green")
    monkeypatch.setenv("LICD_INSECURE", "false")
    assert (configured().listen, configured().insecure) == ("127.0.0.1:7443", False)


@pytest.mark.parametrize("separator", [",", " ", ", "])
def test_lists_in_the_environment(monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    monkeypatch.setenv("LICD_NTP_SERVER", separator.join(["one", "two"]))
    config = configured("--tls-san", "a,b", "--tls-san", "c")
    assert (config.ntp_server, config.tls_san) == (("one", "two"), ("a", "b", "c"))


@pytest.mark.parametrize(("user", "directory"), [(0, "/var/lib/licd"), (1000, "{state}/licd")])
def test_the_data_directory_of_root_and_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, directory: str
) -> None:
    monkeypatch.delenv("LICD_DATA_DIR")
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert configured().data_dir == Path(directory.format(state=tmp_path))


def test_logs_are_json_where_no_terminal_is() -> None:
    assert [configured().log_format, configured("--log-format", "text").log_format] == ["json", "text"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--lease-ttl", "3s"], "--lease-ttl: 3s is less than two heartbeats"),
        (["--lease-ttl", "soon"], "write 15s, 500ms, 5m, 1h"),
        (["--config", "/nowhere.toml"], "can't read /nowhere.toml"),
        (["--port", "1"], "No such option"),
        (["--log-format", "xml"], "'json', 'text'"),
    ],
)
def test_what_cannot_be_used_is_usage(run: Licd, arguments: list[str], told: str) -> None:
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_file_named_before_the_command_is_read(run: Licd, tmp_path: Path) -> None:
    file = tmp_path / "licd.toml"
    file.write_text("lease-ttl = '1s'\n")
    assert "--lease-ttl: 1s is less" in run("--config", file, "serve").stderr


def test_an_option_of_clients_is_refused_before_serve(run: Licd) -> None:
    assert run("--address", "x:1", "serve").exit_code == 2
