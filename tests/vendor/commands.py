"""`licd-vendor` as a vendor runs it: in this process, or as a portal of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import Result
from vendor.deployment import Phone

from licd_formats import container_lic
from licd_formats.container_lic import VendorKeys
from licd_formats.license import License

Run = Callable[..., Result]
CONTRACT = [
    "contract",
    "add",
    "--company",
    "ACME",
    "--email",
    "ops@acme.example",
    "--project",
    "Finance",
    "--max-nodes",
    "3",
    "--application-name",
    "report-server",
    "--application-version",
    "10.0",
]


def read_license(tmp_path: Path) -> License:
    keys = VendorKeys.from_jwk_set((tmp_path / "home" / "vendor-keys.json").read_bytes())
    return container_lic.verify((tmp_path / "Container.lic").read_bytes(), keys)


@contextmanager
def serving(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Phone]]:
    command = [sys.executable, "-c", "from licd_vendor.cli import main; main()", "--home", str(home)]
    with subprocess.Popen(
        [*command, "portal", "serve", "--listen", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("portal listens on http://127.0.0.1:")
            yield process, Phone("127.0.0.1", int(line.rpartition(":")[2]))
        finally:
            process.kill()
