"""Pictures of cost against the number of nodes, from the lines of results.json."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.figures import Result
from bench.trials import SIZES

PICTURES = {
    "performance-heartbeat.png": ("heartbeat_cpu_at_", "server CPU for each heartbeat, us (1,000 a second in all)"),
    "performance-memory.png": ("rss_at_", "server memory for each node, KiB"),
}


def draw(lines: Sequence[Result], folder: Path) -> None:
    """Draws every picture into `folder`."""
    for name, (prefix, title) in PICTURES.items():
        curves = {kind: _curve(lines, prefix, kind) for kind in ("licd", "grpcio", "etcd")}
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.subplots()
        for kind, values in curves.items():
            axes.plot(
                list(values), list(values.values()), marker="o", label="bare grpcio" if kind == "grpcio" else kind
            )
        axes.set(xscale="log", xlabel="nodes, each with its own TLS connection", ylabel=title)
        axes.set_ylim(bottom=0)
        axes.legend()
        axes.grid(alpha=0.3)
        figure.savefig(folder / name, dpi=110)


def _curve(lines: Sequence[Result], prefix: str, kind: str) -> dict[int, float]:
    # Of ten nodes' memory only noise would be seen: a few pages of the allocator.
    sizes = [size for size in SIZES if not (prefix == "rss_at_" and size < 100)]
    against, column = ("etcd", "licd") if kind == "licd" else (kind, "yardstick")
    found = {(line["name"], line["against"]): float(line[column]) for line in lines}
    return {size: found[f"{prefix}{size}", against] for size in sizes if (f"{prefix}{size}", against) in found}
