"""`make run`: a whole licd on this machine, ready to be registered by hand.

Starts the vendor's portal, the daemon and three example report servers in the folder `.run`, says what to open and
scan, and waits for Ctrl-C. What it keeps there (keys, license, journal) it takes up again at the next start.

    make run                                   phone page on this machine
    make run PORTAL_HOST=192.0.2.10            phone page for a phone in the same network
"""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from licd_daemon.cli.demo.parts import ENDING_SIGNALS, PartFailed, Parts, eventually
from licd_kit.standard_files import OutputLost, open_standard_files

NODES = {"report-1": 8081, "report-2": 8082, "report-3": 8083}
PORTAL_PORT = 8600
DAEMON = "127.0.0.1:7443"
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Starts everything, waits for Ctrl-C, and ends everything; gives the exit code."""
    open_standard_files()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portal-host", default="", help="the address that a phone reaches this machine at")
    parser.add_argument("--folder", type=Path, default=Path(".run"))
    options = parser.parse_args()
    everywhere = "0.0.0.0"  # noqa: S104 (asked for with PORTAL_HOST)
    listen = f"{everywhere if options.portal_host else '127.0.0.1'}:{PORTAL_PORT}"
    parts = Parts(
        options.folder.resolve(), listen, f"http://{options.portal_host or '127.0.0.1'}:{PORTAL_PORT}", DAEMON
    )
    stop = threading.Event()
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda *_: stop.set())
    try:
        start(parts)
        print(welcome(parts), flush=True)
        while not stop.wait(0.5):
            supervise(parts)
    except (PartFailed, OutputLost) as error:
        print(f"make run: {error}\nThe logs are in {parts.folder}.", file=sys.stderr)
        return 1
    finally:
        print("\nStopping: the report servers leave, then the daemon and the portal stop.", flush=True)
        parts.end_all()
    print("No node that held a seat is left, so the next start needs a scan. The license stays.")
    return 0


def supervise(parts: Parts) -> None:
    """Starts the daemon again when it has ended, as systemd or Kubernetes would: kill -9 it and look at the nodes."""
    if parts.processes["daemon"].poll() is not None:
        print("The daemon has ended; starting it again, as a supervisor would.", flush=True)
        parts.start_daemon()


def start(parts: Parts) -> None:
    """Vendor, portal, daemon, nodes."""
    parts.make_vendor()
    issue_for_this_portal(parts)
    parts.start_portal()
    parts.start_daemon()
    for name, port in NODES.items():
        parts.spawn(name, [sys.executable, str(HERE / "report_server.py"), "--port", str(port)], node_env(parts, name))
    eventually("three report servers are connected", lambda: len(parts.nodes()) == len(NODES))
    (parts.folder / "env").write_text(
        f"export PATH={Path(sys.executable).parent}:$PATH\n"
        f"export LICD_DATA_DIR={parts.data_dir}\n"
        f"export LICD_ADDRESS={parts.address}\n"
        f"export LICD_CA={parts.ca}\n"
        f"export LICD_TOKEN_FILE={parts.token_file('admin')}\n"
    )


def node_env(parts: Parts, name: str) -> dict[str, str]:
    """What a report server needs to know of the daemon."""
    return {
        "LICD_ADDRESS": parts.address,
        "LICD_CA": str(parts.ca),
        "LICD_TOKEN_FILE": str(parts.token_file("node")),
        "LICD_NODE_NAME": name,
    }


def issue_for_this_portal(parts: Parts) -> None:
    """Issues Container.lic once; again, as a newer issue, when the portal has moved to another address."""
    issued_for = parts.folder / "portal-url"
    if issued_for.exists() and issued_for.read_text() == parts.portal_url:
        return
    if not issued_for.exists():
        parts.issue()
    else:
        (license,) = json.loads(parts.vendor("list", "--output", "json"))
        parts.issue("--reissue", license["license_id"])
    issued_for.write_text(parts.portal_url)


def welcome(parts: Parts) -> str:
    """What to do next, to paste as it is."""
    state = parts.state()
    upload = f"licd upload {parts.license}" if state == "UNLICENSED" else "licd qr"
    grpcurl = (
        f"LICD_TOKEN=$(cat {parts.token_file('admin')}) grpcurl -cacert {parts.ca} -expand-headers \\\n"
        f"    -H 'authorization: Bearer ${{LICD_TOKEN}}' {parts.address} licd.v1.RegistrationService/GetRegistration"
    )
    pages = "  ".join(f"http://127.0.0.1:{port}" for port in NODES.values())
    return f"""
licd runs on this machine: a portal, a daemon, and three report servers that wait for a license ({state}).

Console          {parts.console_link}
                 logs in once, within 15 minutes; afterwards with the token in {parts.token_file("admin")}.
                 The browser warns of its certificate, which licd has made itself: {parts.ca}
Container.lic    {parts.license}   (upload it there)
Portal           {parts.portal_url}   (the QR leads there)
Report servers   {pages}

Or register the cluster in a second shell:

    . {parts.folder / "env"}
    {upload}
        scan the QR, or open the address that it prints, press the button, and read the six digits
    licd submit CODE
    licd status; licd nodes

The same over gRPC:

    {grpcurl}

Ctrl-C stops everything."""


if __name__ == "__main__":
    sys.exit(main())
