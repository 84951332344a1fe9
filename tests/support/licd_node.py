"""licd-node as a process of its own, for the tests that are its supervisor."""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

from support.scripted_daemon import TOKEN

SIMPLE = "name=Report Server,version=10.0.19,build_date=2024-05-31,content=sales, north"
Run = Callable[..., subprocess.Popen[str]]


def shell(script: str) -> tuple[str, ...]:
    """CMD: a shell script."""
    return ("--", "sh", "-c", script)


@contextlib.contextmanager
def starting(address: str, folder: pathlib.Path) -> Iterator[Run]:
    """Starts licd-nodes of the daemon at `address` with directories of their own in `folder`, and ends them."""
    started: list[subprocess.Popen[str]] = []
    token = folder / "node.token"
    token.write_text(TOKEN + "\n")

    def start(
        *arguments: str,
        program: tuple[str, ...] = ("-m", "node_client.run"),
        stdin: int = subprocess.DEVNULL,
        **environment: str,
    ) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LICD_")}
        settings = {
            "LICD_ADDRESS": address,
            "LICD_INSECURE": "true",
            "LICD_TOKEN_FILE": str(token),
            "LICD_APPLICATION": SIMPLE,
            "TMPDIR": str(folder),
        }
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, **settings, **environment},
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.terminate()  # not kill: its command would live on
            process.communicate(timeout=20)
