"""`python -m licd_daemon` is `licd`."""

from licd_daemon.cli import main

main(prog_name="licd")
