"""`--journal etcd://...`: what it may say, and what it is told otherwise."""

from pathlib import Path

import pytest

from licd_daemon.cli.serve.config import ServeConfig
from licd_daemon.journal.etcd.url import EtcdTarget, parse
from licd_kit.options import ConfigInvalid


def test_the_shortest() -> None:
    assert parse("etcd://127.0.0.1:2379") == EtcdTarget(("127.0.0.1:2379",))


def test_everything(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca", "cert", "key", "password")}
    for path in files.values():
        path.write_text("x")
    url = (
        f"etcd://etcd-0.etcd:2379,[fd00::1]:2379/prod/licd?ca={files['ca']}&cert={files['cert']}&key={files['key']}"
        f"&user=licd&password-file={files['password']}&lease-ttl=15s"
    )
    assert parse(url) == EtcdTarget(
        ("etcd-0.etcd:2379", "[fd00::1]:2379"),
        "prod/licd",
        files["ca"],
        files["cert"],
        files["key"],
        "licd",
        files["password"],
        15_000,
    )


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("etcd://", "write a name or an address and a port"),
        ("etcd://a", "2379"),
        ("etcd://127.0.0.1:0", "name etcd's client port"),
        ("etcd://127.0.0.1:2379,", "write a name or an address and a port"),
        ("etcd://127.0.0.1:2379/a//b", "write letters, digits"),
        ("etcd://127.0.0.1:2379/../x y", "write letters, digits"),
        ("etcd://127.0.0.1:2379?passwort=1", "the names are"),
        ("etcd://127.0.0.1:2379?user", "no list of NAME=VALUE"),
        ("etcd://127.0.0.1:2379?user=", "give it one value"),
        ("etcd://127.0.0.1:2379?user=a&user=b", "give it one value"),
        ("etcd://127.0.0.1:2379?user=a", "'password-file' too"),
        ("etcd://127.0.0.1:2379?lease-ttl=500ms", "1s to 10m, in whole seconds"),
        ("etcd://127.0.0.1:2379?lease-ttl=2500ms", "in whole seconds"),
        ("etcd://127.0.0.1:2379?lease-ttl=long", "write 15s"),
        ("etcd://127.0.0.1:2379?ca=/no/such/file", "name a file that the daemon can read"),
        ("etcd://127.0.0.1:2379?insecure=no", "yes or left out"),
        ("etcd://etcd.example:2379", "give etcd's authority with ca=FILE"),
        ("etcd://" + ",".join(["127.0.0.1:2379"] * 17), "name at most 16"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(url: str, remedy: str) -> None:
    with pytest.raises(ConfigInvalid, match="--journal") as caught:
        parse(url)
    assert remedy in str(caught.value)


def test_plaintext_to_another_machine_has_to_be_asked_for() -> None:
    assert parse("etcd://etcd.example:2379?insecure=yes").ca is None


def test_a_daemon_that_listens_everywhere_must_have_a_name(tmp_path: Path) -> None:
    options = {"data_dir": tmp_path, "journal": "etcd://127.0.0.1:2379", "listen": "0.0.0.0:7443"}
    with pytest.raises(ConfigInvalid, match="--advertise"):
        ServeConfig(**options)  # type: ignore[arg-type]
    ServeConfig(**options, advertise="licd-0.licd:7443")  # type: ignore[arg-type]
