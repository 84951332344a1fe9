"""A server's process as the operating system accounts for it, and the guard: only what this run started is measured."""

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"


def cpu_s(pid: int) -> float:
    """Seconds of processor time of a process, all its threads, user and system (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def rss_kb(pid: int) -> int:
    """Resident memory in KiB, as the kernel counts it exactly (proc_pid_smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise RuntimeError(f"the kernel tells no memory of process {pid}")


def check_owner(pid: int, port: int) -> None:
    """The port guard: the listener on `port` must be the process that this run started.

    Raises:
        RuntimeError: it is another's, or there is none.
    """
    listeners = {
        fields[9]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port
    }
    held = {_target(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    if not listeners or not all(f"socket:[{inode}]" in held for inode in listeners):
        raise RuntimeError(f"port {port} is not served by process {pid}, which this run started: nothing is measured")


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""
