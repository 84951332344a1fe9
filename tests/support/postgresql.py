"""A PostgreSQL of the test's own: a fresh cluster in a folder under the temporary directory, reached by a Unix socket.

PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes. Nothing is synced to the disk,
for the cluster ends with the test.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from support.waiting import eventually

_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
}


@dataclass
class Cluster:
    """A running cluster; `url` makes a database in it."""

    folder: Path
    user: str
    made: int = field(default=0)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection to the maintenance database."""
        return psycopg.connect(host=str(self.folder), user=self.user, dbname="postgres", autocommit=True)

    def url(self, template: str = "template1") -> str:
        """The SQLAlchemy URL of a new database, a copy of `template`."""
        self.made += 1
        name = f"vendor{self.made}"
        with self.connect() as connection:
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            connection.execute(copy)
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def binaries() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    assert on_path, "PostgreSQL is missing: `make test` installs it"
    return Path(on_path).resolve().parent


@contextmanager
def running(**settings: str) -> Iterator[Cluster]:
    """A cluster until the end of the block; `settings` change its configuration."""
    account = pwd.getpwnam(_USER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="licd-pg-"))
    shutil.chown(folder, account.pw_uid, account.pw_gid)
    try:
        options = [
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            "--locale=C.UTF-8",
            f"--username={account.pw_name}",
        ]
        init: list[str | Path] = [binaries() / "initdb", *options, "--pgdata", folder / "data"]
        subprocess.run(init, cwd=folder, check=True, stdout=subprocess.DEVNULL, **as_user)
        given = [part for name, value in {**_SETTINGS, **settings}.items() for part in ("-c", f"{name}={value}")]
        server: list[str | Path] = [binaries() / "postgres", "-D", folder / "data", "-k", folder, *given]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(server, cwd=folder, stdout=log, stderr=log, **as_user) as process,
        ):
            cluster = Cluster(folder, account.pw_name)
            try:
                eventually(cluster.answers, 30)
                yield cluster
            finally:
                process.send_signal(signal.SIGQUIT)  # at once, for nothing here is kept
                process.wait(30)
    finally:
        shutil.rmtree(folder)
