"""What `licd serve` accepts, and in what words it refuses."""

from pathlib import Path

import pytest

from licd_daemon.cli.config_file import FILE_KEYS, read_file
from licd_daemon.cli.options import client_command
from licd_daemon.cli.serve.command import serve
from licd_daemon.cli.serve.config import ServeConfig
from licd_kit.addresses import Address, is_loopback
from licd_kit.options import ConfigInvalid, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "span_ms"),
    [
        ("15s", 15_000),
        ("500ms", 500),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("15", 15_000),
        ("0.1", 100),
        ("0", 0),
        (" 2 s ", 2_000),
    ],
)
def test_durations(text: str, span_ms: int) -> None:
    assert parse_duration(text) == span_ms


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1e3", "nan", "1_0s", "0.0001s", "٣s", "1s2ms", "9" * 40])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        parse_duration(text)


@pytest.mark.parametrize("span_ms", [0, 1, 999, 1_000, 90_000, 3_600_000, 5_400_000])
def test_a_duration_is_written_as_it_is_read(span_ms: int) -> None:
    assert parse_duration(duration_text(span_ms)) == span_ms


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:7443", ("127.0.0.1", 7443)), ("[::1]:0", ("::1", 0)), ("licd.example:65535", ("licd.example", 65535))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert Address.parse(text) == address
    assert str(Address(*address)) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":1", "::1:7443", "[::1]", "[x]:1", "a b:1", "host:65536", "host:-1", "host:٣", "h/:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a name"):
        Address.parse(text)


def test_loopback_is_only_what_cannot_be_another_machine() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.8.8.8", "::1"]))
    assert not any(map(is_loopback, ["192.0.2.1", "::", "10.0.0.1", "localhost.example", ""]))


@pytest.mark.parametrize(
    ("settings", "option", "remedy"),
    [
        ({"lease_ttl_ms": 9_999}, "--lease-ttl", "raise it to 10s"),
        ({"heartbeat_interval_ms": 99}, "--heartbeat-interval", "give 100ms"),
        ({"lease_ttl_ms": 3_600_001}, "--lease-ttl", "to 1h"),
        ({"recovery_window_ms": 24 * 3_600_000 + 1}, "--recovery-window", "to 24h"),
        ({"max_clock_drift_ms": 0}, "--max-clock-drift", "give 1ms"),
        ({"listen": "7443"}, "--listen", "write a name or an address and a port"),
        ({"advertise": "daemon"}, "--advertise", "write a name or an address and a port"),
        ({"advertise": "daemon:0"}, "--advertise", "name the port"),
        ({"listen": "0.0.0.0:7443", "insecure": True}, "--insecure", "leave --insecure out"),
        ({"vendor_keys": Path("/nowhere/keys.json")}, "--vendor-keys", "check the path"),
        ({"tls_cert": Path(__file__)}, "--tls-cert", "needs --tls-key"),
        ({"tls_key": Path(__file__)}, "--tls-key", "needs --tls-cert"),
        ({"client_ca": Path(__file__), "insecure": True}, "--insecure", "leave out either"),
        ({"mtls_listen": "0.0.0.0:7444"}, "--mtls-listen", "give their authority too, --client-ca FILE"),
        (
            {"client_ca": Path(__file__), "mtls_listen": "7444"},
            "--mtls-listen",
            "write a name or an address and a port",
        ),
        ({"client_ca": Path(__file__), "mtls_listen": "127.0.0.1:7443"}, "--mtls-listen", "addresses of their own"),
        (
            {"client_ca": Path(__file__), "mtls_listen": "0.0.0.0:7444", "journal": "etcd://127.0.0.1:2379"},
            "--advertise",
            "0.0.0.0 is no name: give it",
        ),
        ({"tls_cert": Path(__file__), "tls_key": Path(__file__), "tls_san": ("a",)}, "--tls-san", "leave it out"),
        ({"tls_san": ("no name",)}, "--tls-san", "correct or remove it"),
        ({"tls_san": ("a",) * 65}, "--tls-san", "at most 64"),
        ({"ntp_server": ("pool:x",)}, "--ntp-server", "write a name"),
        ({"journal": "postgres://x"}, "--journal", "write sqlite:PATH"),
        ({"journal": "memory:x"}, "--journal", "write sqlite:PATH"),
        ({"journal": "sqlite:"}, "--journal", "write sqlite:PATH"),
        ({"data_dir": Path(__file__)}, "--data-dir", "name one"),
        ({"log_format": "xml"}, "--log-format", "neither json nor text"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_its_remedy(
    tmp_path: Path, settings: dict[str, object], option: str, remedy: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        ServeConfig(**{"data_dir": tmp_path, **settings})  # type: ignore[arg-type]
    assert refused.value.option == option
    assert remedy in str(refused.value)


def test_a_lease_of_two_heartbeats_and_a_window_of_nothing_are_allowed(tmp_path: Path) -> None:
    ServeConfig(
        tmp_path, lease_ttl_ms=200, heartbeat_interval_ms=100, recovery_window_ms=0, ntp_server=("::1", "a:123")
    )


def test_the_defaults_are_the_contract() -> None:
    config = ServeConfig(Path("/var/lib/licd"))
    assert (config.listen, config.journal, config.insecure) == ("127.0.0.1:7443", "", False)
    assert config.mtls_address is None
    with_client_ca = ServeConfig(Path("/var/lib/licd"), client_ca=Path(__file__))
    assert str(with_client_ca.mtls_address) == "127.0.0.1:7444"
    assert (config.lease_ttl_ms, config.heartbeat_interval_ms) == (15_000, 5_000)
    assert (config.recovery_window_ms, config.max_clock_drift_ms) == (300_000, 5_000)


def test_the_file_knows_every_option() -> None:
    @client_command
    def client(_: object) -> None:
        pass

    options = {param.name for param in (*serve.params, *client.__click_params__)}  # type: ignore[attr-defined]
    assert set(FILE_KEYS) == options - {"config"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("port = 7443", "unknown key 'port'"),
        ("lease-ttl = 1\nlease_ttl = 1", "'lease_ttl' twice"),
        ("listen = 7443", "'listen' must be a string"),
        ("insecure = 'yes'", "'insecure' must be true or false"),
        ("tls-san = [1]", "'tls-san' must be a list of strings"),
        ("lease-ttl = true", "'lease-ttl' must be a duration"),
        ("listen = ", "is not TOML"),
        ("# " + "x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_faulty_file_is_told_by_key(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "licd.toml"
    file.write_text(content)
    with pytest.raises(ConfigInvalid, match="--config: ") as refused:
        read_file(file)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="No such file"):
        read_file(tmp_path / "none.toml")
