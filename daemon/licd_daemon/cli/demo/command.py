"""`licd demo`: the whole story, played automatically."""

import sys

import click


@click.command(short_help="Play the whole story on this machine.")
def demo() -> None:
    """Play the whole story on this machine: issue, upload, scan, code, nodes, reset."""
    # Only here: the demo brings the daemon and the vendor's side along, --help does not need them.
    from licd_daemon.cli.demo.story import main

    sys.exit(main())
