"""Tables: fitted to a terminal, and whole lines for pipes."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wider than any row: what is piped on must neither wrap nor lose its end.
_PIPE_WIDTH = 100_000


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns' names; the cells must be clean (`text.clean`)."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, because a name in square brackets would be taken for markup.
        table.add_row(*map(Text, row))
    console.print(table)
