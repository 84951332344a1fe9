"""The options that both a contract and an issue may set."""

import click

from licd_vendor.spans import parse_span


class Span(click.ParamType[int]):
    """Reads a duration, such as 15m, 24h or 7d."""

    name = "duration"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give seconds."""
        if isinstance(value, int):
            return value
        try:
            return parse_span(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


SPAN = Span()
