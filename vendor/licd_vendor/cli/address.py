"""HOST:PORT as an option's value."""

import click


class Address(click.ParamType[tuple[str, int]]):
    """Reads HOST:PORT; an IPv6 address is in brackets, and is given without them."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Give host and port."""
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            self.fail("not HOST:PORT, such as 127.0.0.1:8600", param, ctx)
        return host, int(port)


ADDRESS = Address()
