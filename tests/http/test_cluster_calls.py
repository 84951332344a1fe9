"""Nodes, seats and events over the console's calls."""

import csv
import io
import json

from support.admin import Admin
from support.console import Console
from support.daemon import Daemon
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually


def registered(daemon: Daemon, admin: Admin, vendor: TestVendor, *names: str, max_nodes: int = 3) -> list[RawNode]:
    """A registered cluster."""
    nodes = [RawNode(daemon.stubs("node"), name).joined() for name in names]
    admin.upload(vendor.lic(max_nodes=max_nodes))
    admin.register()
    return nodes


def test_nodes_with_their_state_clock_and_address(
    console: Console, daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    (node,) = registered(daemon, admin, vendor, "report-1")
    assert node.stream is not None
    for _ in range(3):
        node.stream.beat()
    RawNode(daemon.stubs("node"), "report-2", version="9.0").joined()
    first, second = console.get("/api/nodes").json["rows"]
    assert (first["name"], first["state"], first["why"]) == ("report-1", "LICENSED", [])
    assert abs(first["offset"]) < 100
    assert first["error"] >= 1
    assert first["address"]
    assert first["heard"] >= first["joined"]
    assert (second["state"], second["heard"], second["offset"]) == ("REJECTED", None, None)
    assert second["why"][0][0] == "Version mismatch"


def test_an_evicted_node_is_gone_from_the_stream(
    console: Console, daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    one, two = registered(daemon, admin, vendor, "report-1", "report-2")
    news = console.live("topic=nodes")
    assert {row["name"] for row in next(news)[1]["rows"]} == {"report-1", "report-2"}
    assert console.post("/api/evict", {"session_id": one.session_id}).json == {}
    told = next(told for topic, told in news if told["gone"])
    assert (told["gone"], told["total"]) == ([one.session_id], 1)
    assert console.post("/api/evict", {"session_id": "nobody"}).refused == "NO_SUCH_SESSION"
    assert set(admin.nodes()) == {two.name}


def test_the_stream_tells_only_rows_that_changed(
    console: Console, daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    nodes = registered(daemon, admin, vendor, "report-1", "report-2", "report-3")
    news = console.live("topic=nodes")
    assert len(next(news)[1]["rows"]) == 3
    stream = nodes[1].stream
    assert stream is not None
    stream.beat()
    assert [row["name"] for row in next(news)[1]["rows"]] == ["report-2"]


def test_seats_over_time_are_those_that_were_held(
    console: Console, daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    nodes = registered(daemon, admin, vendor, "report-1", "report-2", max_nodes=2)
    waiting = RawNode(daemon.stubs("node"), "report-3").joined()
    nodes[0].leave()
    eventually(lambda: admin.nodes().get("report-3") == "LICENSED")
    nodes[1].leave()
    waiting.leave()
    eventually(lambda: admin.state == "UNREGISTERED")
    points = console.get("/api/seats").json["points"]
    assert {held for _, held, _ in points} >= {0, 1, 2}
    assert max(held for _, held, _ in points) == 2
    assert points[-1][1:] == [0, 2]
    assert [at for at, _, _ in points] == sorted(at for at, _, _ in points)


def test_seats_after_a_restart_go_on(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    registered(daemon, admin, vendor, "report-1")
    daemon.kill()
    daemon.start()
    console = Console(daemon.console, daemon.ca)
    console.log_in(daemon.token("admin"))
    assert console.get("/api/seats").json["points"][-1][1:] == [1, 3]


def test_events_by_kind_and_time_newest_first(console: Console, daemon: Daemon) -> None:
    for number in range(130):
        RawNode(daemon.stubs("node"), f"node-{number}").join()
    first = console.get("/api/events?kind=session_joined").json
    assert (len(first["events"]), first["more"]) == (100, True)
    assert first["events"][0]["node_name"] == "node-129"
    last = first["events"][-1]["position"]
    rest = console.get(f"/api/events?kind=session_joined&before={last}").json
    assert (len(rest["events"]), rest["more"]) == (30, False)
    assert console.get("/api/events?since=99999999999999").json["events"] == []
    assert console.get("/api/events?until=1").json["events"] == []
    for query in ("since=now", "before=x", "kind=" + "k" * 65, "since=-1"):
        assert console.get(f"/api/events?{query}").refused == "INVALID_FIELD", query


def test_new_events_come_by_the_stream_and_none_is_missed(console: Console, daemon: Daemon) -> None:
    after = console.get("/api/events").json["position"]
    RawNode(daemon.stubs("node"), "early").join()
    news = console.live(f"topic=events&kind=session_joined&after={after}")
    assert [event["node_name"] for event in next(news)[1]["events"]] == ["early"]
    RawNode(daemon.stubs("node"), "late").join()
    assert [event["node_name"] for event in next(news)[1]["events"]] == ["late"]


def test_the_journal_is_exported_whole_in_order_and_harmless(console: Console, daemon: Daemon) -> None:
    for number in range(210):
        RawNode(daemon.stubs("node"), f"node-{number}").join()
    RawNode(daemon.stubs("node"), "=HYPERLINK(1)").join()
    lines = console.get("/api/events/export?format=jsonl")
    events = [json.loads(line) for line in lines.content.splitlines()]
    assert [int(event["position"]) for event in events] == list(range(1, len(events) + 1))
    assert len(events) > 211
    table = console.get("/api/events/export?format=csv&kind=session_joined")
    assert table.headers["content-disposition"] == 'attachment; filename="licd-events.csv"'
    rows = list(csv.DictReader(io.StringIO(table.content.decode())))
    assert len(rows) == 211
    assert rows[-1]["node_name"] == "'=HYPERLINK(1)"
    assert json.loads(rows[0]["attributes"])
    assert json.loads(rows[0]["actor"])["name"] == "node.token"
    assert console.get("/api/events/export?format=xml").refused == "INVALID_FIELD"
    assert "secret_hash" not in lines.content.decode()


def test_R36_streams_of_one_login_are_bounded_and_come_free(console: Console) -> None:
    streams = [console.live("topic=registration") for _ in range(8)]
    for stream in streams:
        next(stream)
    assert console.get("/api/live?topic=registration").status == 429
    streams.pop().close()
    eventually(lambda: _opens(console), timeout=10)


def _opens(console: Console) -> bool:
    connection = console.connect()
    connection.request("GET", "/api/live?topic=registration", headers={"cookie": console.cookie})
    status = connection.getresponse().status
    connection.close()
    return status == 200
