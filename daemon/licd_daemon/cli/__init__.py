"""The `licd` command line (DESIGN section 5).

Exit codes: 0 done, 1 refused (the reasons on stderr), 2 usage, 3 unreachable. No command imports another's libraries,
so that each starts as fast as its own allow.
"""

import click

from licd_daemon.cli.options import LazyGroup

_COMMANDS = {
    "serve": "licd_daemon.cli.serve.command:serve",
    "request": "licd_daemon.cli.request:request",
    "upload": "licd_daemon.cli.upload:upload",
    "qr": "licd_daemon.cli.qr:qr",
    "submit": "licd_daemon.cli.registering:submit",
    "status": "licd_daemon.cli.status:status",
    "nodes": "licd_daemon.cli.nodes:nodes",
    "evict": "licd_daemon.cli.nodes:evict",
    "events": "licd_daemon.cli.events:events",
    "check": "licd_daemon.cli.check:check",
    "health": "licd_daemon.cli.health:health",
    "clock": "licd_daemon.cli.clock:clock",
    "reset": "licd_daemon.cli.registering:reset",
    "release": "licd_daemon.cli.registering:release",
    "token": "licd_daemon.cli.tokens:token",
    "leader": "licd_daemon.cli.leader:leader",
    "journal": "licd_daemon.cli.journal:journal",
    "demo": "licd_daemon.cli.demo.command:demo",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="licd", prog_name="licd")
def main(**_: object) -> None:
    """License a cluster: one signed file, one phone scan, one six-digit code."""
