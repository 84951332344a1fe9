r"""A small report server that licd licenses: what linking node_client looks like in a real program.

Alone, one seat for this process:

    export LICD_ADDRESS=licd.example:7443 LICD_CA=ca.crt LICD_TOKEN_FILE=node.token
    python examples/report_server.py --port 8080

Under a pre-forking server, one seat for its four workers (licd-node tells them through LICD_NODE_SOCKET):

    licd-node run --application "name=Report Server,version=10.0.19,build_date=2024-05-31" -- \
        gunicorn -w 4 -b 127.0.0.1:8080 examples.report_server:app

`GET /` shows the license's state; `GET /report` gives the report, or 503 and the reasons while it may not run. An
outage of the daemon that the license allows for shows a note and costs no report.
"""

import argparse
import functools
import html
import os
import signal
import socketserver
import sys
from collections.abc import Iterable
from types import FrameType
from wsgiref.simple_server import WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import node_client

APPLICATION = node_client.Application(name="Report Server", version="10.0.19", build_date="2024-05-31")
SALES = (("North", 1204), ("East", 987), ("South", 1130), ("West", 1345))
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; color: #1c2733 }
.state { display: inline-block; padding: .2rem .8rem; border-radius: 1rem; color: #fff; background: #a33b2a }
.state.licensed { background: #237a45 }
.state.grace { background: #8a6100 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .4rem; border-bottom: 1px solid #d5dce3 }
small { color: #5c6b7a }
"""


@functools.cache
def node() -> node_client.Node:
    """This process's node, made at the first request: a pre-forking server must not connect before it forks."""
    return node_client.connect(
        os.environ.get("LICD_ADDRESS", "127.0.0.1:7443"),
        application=APPLICATION,
        node_name=os.environ.get("LICD_NODE_NAME") or None,
        token_file=os.environ.get("LICD_TOKEN_FILE") or None,
        ca=os.environ.get("LICD_CA") or None,
        insecure=os.environ.get("LICD_INSECURE", "").lower() in ("1", "true", "yes", "on"),
    )


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The report server, as a WSGI application."""
    path = environ.get("PATH_INFO", "/")
    if path not in ("/", "/report"):
        return _page(start_response, "404 Not Found", "Not found", "<p><a href='/'>Back</a></p>")
    # One look for the whole answer: a state that changes meanwhile must not mix with it.
    status = node().status()
    if path == "/":
        return _page(
            start_response, "200 OK", "Report server", _license(status) + "<p><a href='/report'>Report</a></p>"
        )
    if not status.may_run:
        return _page(start_response, "503 Service Unavailable", "No report without a license", _license(status))
    rows = "".join(f"<tr><td>{region}<td>{sold}" for region, sold in SALES)
    return _page(start_response, "200 OK", "Sales by region", f"<table><tr><th>Region<th>Sold{rows}</table>")


def _license(status: node_client.Status) -> str:
    kind = "state licensed" if status.licensed else "state grace" if status.may_run else "state"
    reasons = "".join(
        f"<tr><td>{html.escape(failure.title)}<td>{html.escape(failure.detail)}<td>{html.escape(failure.remedy)}"
        for failure in status.failures
    )
    table = f"<table><tr><th>Reason<th>Found<th>What to do{reasons}</table>" if reasons else ""
    lease = f"<small>lease: {status.lease_left:.1f} s left</small>" if status.licensed else ""
    grace = f"<small>the license daemon is away; {status.grace_left:.0f} s left</small>" if status.grace_left else ""
    return f"<p><span class='{kind}'>{status.label}</span> {lease}{grace}</p>{table}"


def _page(start_response: StartResponse, status: str, title: str, body: str) -> list[bytes]:
    content = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1>{body}<small>served by process {os.getpid()}</small></html>"
    ).encode()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [content]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    """Serves alone, on loopback, until it is told to stop; then it leaves the cluster."""
    parser = argparse.ArgumentParser(description="A report server that licd licenses.")
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1; 0: any free one (8080)")
    port = parser.parse_args().port

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        with node(), make_server("127.0.0.1", port, app, server_class=_Server) as server:
            print(f"report server: http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    except ValueError as error:
        sys.exit(f"report server: {error}")


if __name__ == "__main__":
    main()
