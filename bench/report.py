"""The results as a table: for the terminal, and for docs/performance.md, whose figures stand between two marks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import AT_LEAST, AT_MOST, FIGURES, Result

BEGIN, END = "<!-- figures: made by `make bench` -->", "<!-- end of figures -->"
_HEAD = ("figure", "unit", "licd", "yardstick", "against", "ratio", "spread", "target", "")


def rows(lines: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """A row for each line, with its target and whether it was reached."""
    by_name = {figure.name: figure for figure in FIGURES}
    for line in lines:
        figure, against, ratio = by_name[str(line["name"])], str(line["against"]), float(line["ratio"])
        target, reached = figure.target(against), figure.reached(ratio, against)
        words = "" if target is None else f"{'>=' if figure.more else '<='} {target:g}"
        if limit := AT_MOST.get(figure.name):
            words, reached = f"licd <= {limit:g} {figure.unit}", float(line["licd"]) <= limit
        if limit := AT_LEAST.get(figure.name):
            words, reached = f"licd >= {limit:g} {figure.unit}", float(line["licd"]) >= limit
        verdict = "" if reached is None else ("reached" if reached else "missed")
        values = (f"{float(line['licd']):.4g}", f"{float(line['yardstick']):.4g}")
        yield (figure.name, figure.unit, *values, against, f"{ratio:.2f}", f"{line['spread']:.0%}", words, verdict)


def show(lines: Sequence[Result], machine: str) -> str:
    """For the terminal."""
    table = [_HEAD, *rows(lines)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    body = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )
    return f"\n{machine}\n\n{body}"


def write(lines: Sequence[Result], machine: str, page: Path) -> None:
    """Puts the table between the page's marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = [_HEAD, ("---",) * len(_HEAD), *rows(lines)]
    body = "\n".join(f"| {' | '.join(row)} |" for row in table)
    page.write_text(
        f"{before}{BEGIN}\n\n{machine}; rounds: {max(int(line['n']) for line in lines)}.\n\n{body}\n\n{END}{after}"
    )
