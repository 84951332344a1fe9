"""Browsers without a screen."""

from collections.abc import Callable

import pytest
from support.console import Console
from support.daemon import Daemon


@pytest.fixture
def browse(daemon: Daemon) -> Callable[[str], Console]:
    """A browser that is logged in with a role's token; "": that is not."""

    def make(role: str) -> Console:
        console = Console(daemon.console, daemon.ca)
        if role:
            assert console.log_in(daemon.token(role)).status == 200
        return console

    return make


@pytest.fixture
def console(browse: Callable[[str], Console]) -> Console:
    """An administrator's browser."""
    return browse("admin")
