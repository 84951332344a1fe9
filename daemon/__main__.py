"""`python -m daemon` in a checkout is `licd`; an installation has `licd` and `python -m licd_daemon`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "protos"))

from licd_daemon.cli import main

main(prog_name="licd")
