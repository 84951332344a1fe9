"""HOST:PORT as an option's value."""

import click

from licd_kit.addresses import split_address


class Address(click.ParamType[tuple[str, int]]):
    """Reads HOST:PORT; an IPv6 address is in brackets, and is given without them."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Give host and port."""
        if isinstance(value, tuple):
            return value
        try:
            return split_address(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


ADDRESS = Address()
