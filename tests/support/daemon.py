"""A real daemon: `licd serve` in a process of its own, on a free port."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from licd.v1 import (
    clock_service_pb2_grpc,
    cluster_service_pb2_grpc,
    node_service_pb2_grpc,
    registration_service_pb2_grpc,
    token_service_pb2_grpc,
)
from support import measuring

START_S = 60


class Stubs:
    """The services over one channel, with one role's token."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.channel = grpc.intercept_channel(channel, _Bearer(token)) if token else channel
        self.nodes = node_service_pb2_grpc.NodeServiceStub(self.channel)
        self.registration = registration_service_pb2_grpc.RegistrationServiceStub(self.channel)
        self.cluster = cluster_service_pb2_grpc.ClusterServiceStub(self.channel)
        self.tokens = token_service_pb2_grpc.TokenServiceStub(self.channel)
        self.clock = clock_service_pb2_grpc.ClockServiceStub(self.channel)


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._pair = ("authorization", f"Bearer {token}")

    def _with(self, details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), self._pair])

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._with(details), requests)


class Daemon:
    """A daemon's data directory and, between `start` and `stop`, its process. `launcher`: a command that becomes it."""

    def __init__(self, data_dir: Path, vendor_keys: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.options = ["--vendor-keys", str(vendor_keys), "--log-format", "json", *options]
        mtls = ("--mtls-listen",) if "--client-ca" in options else ()
        for port in ("--listen", "--console-listen", "--ops-listen", *mtls):
            if port not in options:
                self.options += [port, "127.0.0.1:0"]
        self.env = {**os.environ, **(env or {})}
        self.launcher: tuple[str, ...] = ()
        self.log: list[dict[str, Any]] = []
        self.address = self.mtls = self.console = self.ops = ""
        self.process: subprocess.Popen[str] | None = None
        self._channels: list[grpc.Channel] = []

    def start(self) -> "Daemon":
        """Starts the process and returns when it serves."""
        command = [sys.executable, "-m", "licd_daemon", "serve", "--data-dir", str(self.data_dir), *self.options]
        self.address = ""
        self.process = subprocess.Popen([*self.launcher, *command], stderr=subprocess.PIPE, text=True, env=self.env)
        serving = threading.Event()
        threading.Thread(target=self._read_log, args=(self.process, serving), daemon=True).start()
        assert serving.wait(START_S), self.log
        if not self.address:
            self.process.wait(START_S)  # its last words come before its end
            raise RuntimeError(f"the daemon ended at its start: {self.log}")
        return self

    def _read_log(self, process: "subprocess.Popen[str]", serving: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = {"event": line.rstrip()}
                self.log.append(entry)
                if entry.get("event") in ("serving", "following"):
                    self.address, self.mtls = entry["address"], entry.get("mtls", "")
                    self.console, self.ops = entry["console"], entry["ops"]
                    serving.set()
        serving.set()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as a supervisor does; gives the exit code."""
        return self._end(signal.SIGTERM)

    def end(self) -> None:
        """kill -9; where coverage is measured SIGTERM before, at which the process writes what it has run."""
        if measuring.is_on():
            with suppress(subprocess.TimeoutExpired):
                self.stop()
        self.kill()

    def _end(self, number: signal.Signals) -> int:
        for channel in self._channels:
            channel.close()
        self._channels.clear()
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(START_S)
        self.process = None
        return code

    def resident_kib(self) -> int:
        """The resident memory of its process."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])

    def token(self, role: str) -> str:
        """The token that the daemon made for a role."""
        return (self.data_dir / "tokens" / f"{role}.token").read_text().strip()

    @property
    def ca(self) -> bytes:
        """The CA that the daemon made."""
        return (self.data_dir / "tls" / "ca.crt").read_bytes()

    def mtls_stubs(self, pair: tuple[bytes, bytes], *, token: str = "") -> Stubs:
        """Stubs over a connection of their own that presents this certificate, with its key."""
        credentials = grpc.ssl_channel_credentials(self.ca, pair[1], pair[0])
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.secure_channel(self.mtls, credentials, options)
        self._channels.append(channel)
        return Stubs(channel, token)

    def stubs(self, role: str | None = "admin", *, token: str | None = None) -> Stubs:
        """Stubs over a channel of their own; `role` None: no credentials."""
        if "--insecure" in self.options:
            channel = grpc.insecure_channel(self.address)
        else:
            channel = grpc.secure_channel(self.address, grpc.ssl_channel_credentials(self.ca))
        self._channels.append(channel)
        return Stubs(channel, token if token is not None else self.token(role) if role else "")


@contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """Starts a daemon, and ends it whatever happens."""
    try:
        yield daemon.start()
    finally:
        daemon.end()
