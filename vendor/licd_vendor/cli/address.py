"""HOST:PORT as an option's value."""

import click

from licd_kit.addresses import Address


class AddressType(click.ParamType[Address]):
    """Reads HOST:PORT; an IPv6 address is in brackets."""

    name = "HOST:PORT"

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Give the address."""
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


ADDRESS = AddressType()
