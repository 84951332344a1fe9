"""The one error that the vendor's tools show to people."""


class RefusedError(Exception):
    """What was asked for cannot be done; the text names the reason and the remedy."""
