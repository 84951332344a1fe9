"""Where a request comes from, as far as the browser says."""

from starlette.requests import Request


def is_own_site(request: Request) -> bool:
    """Whether a request that brings an Origin comes from a page of this site; browsers send it with every POST."""
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host", "")
