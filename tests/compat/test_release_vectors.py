"""What each released version wrote, kept in tests/vectors/releases, as this version reads it."""

import asyncio
import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.releases import RELEASES, WHEELS
from vectors.write_release import plain_state

from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import State
from licd_daemon.journal import chain, segments
from licd_daemon.journal.codec import decode_state, encode_state
from licd_daemon.journal.port import JournalCorrupt, Record, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal
from licd_daemon.rpc.event_message import event_message

pytestmark = pytest.mark.parametrize("release", RELEASES)

CHANGED_ON_PURPOSE = {"0.1.0": {"last_failures"}}  # 0.1.0 kept the latest refusal only; CHANGELOG.md, 0.2.0


def vector(release: str, name: str) -> Any:
    return json.loads((WHEELS / release / name).read_text())


def loaded(release: str, folder: Path, *, replay: bool) -> tuple[Snapshot | None, list[Record]]:
    """A copy of its journal, verified and loaded."""
    path = folder / "journal.db"
    shutil.copyfile(WHEELS / release / "journal.db", path)

    async def load() -> tuple[Snapshot | None, list[Record]]:
        journal = await SqliteJournal.open(path)
        try:
            await journal.verify()
            snapshot, records = await journal.load(replay)
            return snapshot, list(records)
        finally:
            await journal.close()

    return asyncio.run(load())


def folded(records: list[Record], state: State | None = None) -> dict[int, State]:
    """The state after each entry, by its position."""
    states, state = dict[int, State](), state or State()
    for record in records:
        entry = chain.decode(record)
        states[record.position] = state = evolve(state, entry.event, entry.now)
    return states


def as_known(content: Any, example: Any) -> Any:
    """What of `content` the version knew that wrote `example`: fields that came later are left out."""
    if isinstance(content, dict) and isinstance(example, dict):
        return {key: as_known(item, example.get(key)) for key, item in content.items() if key in example}
    if isinstance(content, list) and isinstance(example, list) and len(content) == len(example):
        return [as_known(item, one) for item, one in zip(content, example, strict=True)]
    return content


def test_every_kind_of_event_that_it_could_write_is_in_its_journal(release: str, tmp_path: Path) -> None:
    _, records = loaded(release, tmp_path, replay=True)
    assert {record.kind for record in records} == set(vector(release, "events.json"))


def test_its_journal_gives_the_states_that_it_gave_there(release: str, tmp_path: Path) -> None:
    _, records = loaded(release, tmp_path, replay=True)
    states = folded(records)
    for position, state in vector(release, "states.json").items():
        known = {name: item for name, item in state.items() if name not in CHANGED_ON_PURPOSE.get(release, ())}
        assert as_known(plain_state(states[int(position)]), known) == known, f"after entry {position}"
    assert str(len(records)) in vector(release, "states.json")


def test_its_values_in_etcd_hold_the_same_entries(release: str, tmp_path: Path) -> None:
    _, records = loaded(release, tmp_path, replay=True)
    stored = vector(release, "segments.json").items()
    read = [segments.decode(int(first), base64.b64decode(value)) for first, value in stored]
    assert [record for segment in read for record in segment.records()] == records


def test_its_snapshot_is_read_as_what_it_meant_or_left_out(release: str, tmp_path: Path) -> None:
    _, records = loaded(release, tmp_path, replay=True)
    snapshot, tail = loaded(release, tmp_path, replay=False)
    assert snapshot is not None
    assert tail == records[snapshot.head.position :]
    states = folded(records)
    try:
        state = decode_state(snapshot.state)
    except JournalCorrupt:
        return  # and every entry is folded
    assert state == states[snapshot.head.position]


def test_a_snapshot_in_which_any_field_has_another_name_or_is_not_there_is_left_out(
    release: str, tmp_path: Path
) -> None:
    _, records = loaded(release, tmp_path, replay=True)
    content = encode_state(folded(records)[len(records)])
    for path in field_paths(content):
        for change in (rename, remove):
            with pytest.raises(JournalCorrupt):
                decode_state(changed(content, path, change))


def field_paths(content: bytes) -> list[tuple[str, ...]]:
    """Of the state's fields, and of those of its first session."""
    state = json.loads(content)["state"]
    first = min(state["sessions"])
    return [("state", name) for name in state] + [
        ("state", "sessions", first, name) for name in state["sessions"][first]
    ]


def rename(fields: dict[str, Any], name: str) -> None:
    fields[f"{name}_of_a_later_version"] = fields.pop(name)


def remove(fields: dict[str, Any], name: str) -> None:
    del fields[name]


def changed(content: bytes, path: tuple[str, ...], change: Any) -> bytes:
    document = json.loads(content)
    fields = document
    for name in path[:-1]:
        fields = fields[name]
    change(fields, path[-1])
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def test_R35_entries_of_0_1_0_name_nobody(release: str, tmp_path: Path) -> None:
    named = {
        event_message(record, State(), scan=True).HasField("actor")
        for record in loaded(release, tmp_path, replay=True)[1]
    }
    assert named == {False} or release != "0.1.0"
