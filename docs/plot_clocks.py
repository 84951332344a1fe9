# ruff: noqa: INP001 (a script, not a package)
"""Writes docs/clocks.png: what the daemon measures of skewed nodes, against the truth.

Everything is real: a daemon, nodes in processes of their own whose clocks libfaketime skews, and a proxy that delays
each way by a time of its own. What is plotted comes from ListNodes. The truth is known, since all processes run on one
machine and each is skewed by a known span.

Run: make clocks (about a minute)
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.daemon import Daemon, running
from support.proxy import Delay, slow_path
from support.skew import Skew, node_process, rated
from support.vendor import TestVendor

from licd.v1 import cluster_service_pb2 as cluster

PICTURE = Path(__file__).with_name("clocks.png")
BEAT_S = 1.0
RUN_S = 30.0
JUMP_AT_S, JUMP_S = 12.0, 0.2
RATE = 0.01
DIRECT = (Delay(0.0), Delay(0.0))
SLOW = (Delay(0.150, 0.020), Delay(0.005, 0.020))
JITTERY = (Delay(0.0, 0.2), Delay(0.0, 0.2))
SKEWS = {"+0.25 s": 0.25, "+30 s": 30.0, "-1 h": -3600.0, "+1 h": 3600.0}
PATHS = {"direct": DIRECT, "150 ms there, 5 ms back": SLOW, "0 to 200 ms each way": JITTERY}


@dataclass
class Series:
    """What was measured of one node: instants, offsets and bounds, in seconds."""

    at: list[float] = field(default_factory=list)
    offset: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)


def watched(daemon: Daemon, names: set[str], jump: Skew) -> dict[str, Series]:
    """Every new measurement of the nodes for `RUN_S`; `jump` is set ahead on the way."""
    stubs = daemon.stubs("admin")
    found = {name: Series() for name in names}
    start, jumped = time.monotonic(), False
    while (at := time.monotonic() - start) < RUN_S:
        if at >= JUMP_AT_S and not jumped:
            jump.set(f"+{JUMP_S}s")
            jumped = True
        for node in stubs.cluster.ListNodes(cluster.ListNodesRequest(page_size=1000)).nodes:
            series, offset = found[node.name], node.clock_offset.ToNanoseconds() / 1e9
            if node.HasField("clock_offset") and offset not in series.offset[-1:]:
                series.at.append(at)
                series.offset.append(offset)
                series.error.append(node.clock_error.ToNanoseconds() / 1e9)
        time.sleep(BEAT_S / 8)
    return found


@contextmanager
def cluster_of_skewed_nodes(folder: Path) -> Iterator[tuple[Daemon, set[str], Skew]]:
    """A daemon, a node for each skew over each path, one with a fast clock, and one whose clock will jump."""
    options = ("--heartbeat-interval", f"{BEAT_S * 1000:.0f}ms", "--lease-ttl", "10s")
    with ExitStack() as stack:
        daemon = stack.enter_context(
            running(Daemon(folder / "data", TestVendor().write_keys(folder / "keys.json"), *options))
        )
        names = set()
        for path, (there, back) in PATHS.items():
            address = stack.enter_context(slow_path(daemon.address, there, back))
            for skew, seconds in SKEWS.items():
                names.add(name := f"{skew}, {path}")
                env = Skew(folder / f"clock-{len(names)}", f"{seconds:+}s").env
                stack.enter_context(node_process(daemon, name, env, address))
        jump = Skew(folder / "clock-jump")
        stack.enter_context(node_process(daemon, "jump", jump.env))
        stack.enter_context(node_process(daemon, "rate", rated(str(1 + RATE))))
        yield daemon, names | {"jump", "rate"}, jump


def plot_bounds(axes: Axes, found: dict[str, Series]) -> None:
    """Measured minus true offset, with the bound, for every constant skew."""
    left, ticks = 0.0, []
    for path, color in zip(PATHS, ("tab:green", "tab:orange", "tab:blue"), strict=True):
        for skew, seconds in SKEWS.items():
            series = found[f"{skew}, {path}"]
            differences = [(offset - seconds) * 1000 for offset in series.offset]
            errors = [error * 1000 for error in series.error]
            kept = sum(abs(difference) <= error for difference, error in zip(differences, errors, strict=True))
            print(
                f"| {skew} | {path} | {len(errors)} | {max(map(abs, differences)):.2f} ms | {max(errors):.2f} ms | "
                f"{kept} of {len(errors)} |"
            )
            places = [left + 0.8 * index / max(1, len(errors) - 1) for index in range(len(errors))]
            label = path if skew == next(iter(SKEWS)) else None
            axes.errorbar(places, differences, errors, fmt=".", color=color, ms=4, lw=0.8, capsize=2, label=label)
            ticks.append((left + 0.4, skew))
            left += 1
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_ylim(-1000, 3000)
    axes.set_xticks([place for place, _ in ticks], [skew for _, skew in ticks], rotation=45, fontsize=8)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylabel("measured minus true offset, ms")
    axes.set_title("Each measurement and its bound")
    axes.legend(fontsize=8, loc="upper center", ncols=3)


def plot_motion(axes: Axes, found: dict[str, Series]) -> None:
    """Measured and true offset over time, of a clock that jumps and of one that runs fast."""
    jump, rate = found["jump"], found["rate"]
    axes.plot([0, JUMP_AT_S, JUMP_AT_S, RUN_S], [0, 0, JUMP_S, JUMP_S], color="tab:red", lw=1, label="true, jump")
    started = rate.at[0] - rate.offset[0] / RATE
    axes.plot([0, RUN_S], [-RATE * started, RATE * (RUN_S - started)], color="tab:purple", lw=1, label="true, 1 % fast")
    axes.errorbar(jump.at, jump.offset, jump.error, fmt=".", ms=5, color="tab:red", label="measured, jump")
    axes.errorbar(rate.at, rate.offset, rate.error, fmt=".", ms=3, color="tab:purple", label="measured, 1 % fast")
    axes.set_xlabel("seconds")
    axes.set_ylabel("offset, s")
    axes.set_title(f"A jump by {JUMP_S} s, and a clock 1 % fast")
    axes.legend(fontsize=8)


def main() -> None:
    """Measures and plots."""
    with tempfile.TemporaryDirectory() as folder, cluster_of_skewed_nodes(Path(folder)) as (daemon, names, jump):
        found = watched(daemon, names, jump)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    plot_bounds(left, found)
    plot_motion(right, found)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
