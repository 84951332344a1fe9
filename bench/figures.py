"""The figures: unit, which trial measures each, and what it must reach (ratio: licd / yardstick, in one run)."""

from dataclasses import dataclass
from statistics import median

from bench.trials import SIZES, Figures


@dataclass(frozen=True)
class Figure:
    """`etcd`, `grpcio`: the ratio to reach; with `more`, at least that, else at most. None: measured, no target."""

    name: str
    unit: str
    trial: str
    etcd: float | None = None
    grpcio: float | None = None
    more: bool = False

    def target(self, against: str) -> float | None:
        """The ratio to reach."""
        return {"etcd": self.etcd, "grpcio": self.grpcio}.get(against)

    def reached(self, ratio: float, against: str) -> bool | None:
        """Whether it was; None: there is no target."""
        target = self.target(against)
        return None if target is None else (ratio >= target if self.more else ratio <= target)


FIGURES = (
    Figure("join_rate_1", "1/s", "joins", more=True),
    Figure("join_rate_16", "1/s", "joins", etcd=1.2, grpcio=0.6, more=True),
    Figure("join_rate_64", "1/s", "joins", etcd=1.2, grpcio=0.6, more=True),
    Figure("join_p99_16", "ms", "joins", etcd=0.5),
    Figure("join_p99_64", "ms", "joins", etcd=0.5),
    Figure("join_cpu_16", "us", "joins", etcd=0.75),
    Figure("join_cpu_64", "us", "joins", etcd=0.75),
    Figure("etcd_join_rate_64", "1/s", "etcd_joins", etcd=0.8, more=True),
    Figure("etcd_join_p99_64", "ms", "etcd_joins"),
    Figure("etcd_join_cpu_64", "us", "etcd_joins"),
    Figure("heartbeat_cpu_paced_1000", "us", "plain"),
    Figure("heartbeat_cpu_paced_1000_tls", "us", "crowd", etcd=1.0, grpcio=1.15),
    Figure("heartbeat_rate_1000", "1/s", "crowd", etcd=1.15, grpcio=0.85, more=True),
    Figure("heartbeat_cpu_saturated_1000", "us", "crowd"),
    Figure("rss_per_node_tls_1000", "KiB", "crowd", etcd=0.65, grpcio=1.15),
    Figure("rss_per_node_tls_10000", "KiB", "many", etcd=0.65, grpcio=1.15),
    Figure("storm_1000_tls", "s", "crowd", etcd=1.0, grpcio=1.3),
    Figure("recovery_1000", "s", "crowd"),
    Figure("recovery_10000", "s", "many"),
    Figure("detect_lost", "s", "lost"),
    Figure("hold_cpu_10000", "% of a core", "many", etcd=0.6),
    *(Figure(f"heartbeat_cpu_at_{size}", "us", "many") for size in SIZES),
    *(Figure(f"rss_at_{size}", "KiB", "many") for size in SIZES),
    Figure("portal_scans", "1/s", "portal", more=True),
    Figure("portal_cpu", "us", "portal"),
)
AT_MOST = {"recovery_1000": 3.0, "recovery_10000": 15.0, "detect_lost": 6.0}
AT_LEAST = {"portal_scans": 300.0}
"""Figures with a limit of their own, in their unit, whatever others do."""

Result = dict[str, str | float | int]


def results(rounds: list[dict[str, Figures]]) -> list[Result]:
    """One line for each figure and yardstick.

    Args:
        rounds: For each round, the figures of each kind of server.

    Returns:
        Medians over the rounds; `ratio` is the median of the rounds' own ratios, and `spread` the distance between the
        least and the greatest of them, as a part of it.
    """
    lines = []
    for figure in FIGURES:
        for against in ("etcd", "grpcio", "starlette"):
            pairs = [
                (one["licd"][figure.name], one[against][figure.name])
                for one in rounds
                if figure.name in one.get("licd", {}) and figure.name in one.get(against, {})
            ]
            if pairs:
                lines.append(_line(figure, against, pairs))
    return lines


def _line(figure: Figure, against: str, pairs: list[tuple[float, float]]) -> Result:
    ratios = [ours / theirs for ours, theirs in pairs]
    ratio = median(ratios)
    return {
        "name": figure.name,
        "unit": figure.unit,
        "licd": round(median(ours for ours, _ in pairs), 3),
        "yardstick": round(median(theirs for _, theirs in pairs), 3),
        "against": against,
        "ratio": round(ratio, 3),
        "spread": round((max(ratios) - min(ratios)) / ratio, 3),
        "n": len(pairs),
    }
