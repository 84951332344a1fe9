"""Write a version's vectors with its own code; `release.py` runs this under a released one.

- `journal.db`: the story of `story.py` in that version's SQLite file, with two snapshots;
- `segments.json`: the same entries as the values that etcd holds, in base64, by the position of the first;
- `states.json`: the state after some of the entries, by their positions, the last one's included;
- `events.json`: by tag, the JSON schema of each event: fields, types, defaults.
"""

import asyncio
import base64
import importlib
import json
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
from vectors.story import Story, play

import licd_daemon
from licd_daemon.core.events import AnyEvent
from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import State
from licd_daemon.journal import chain, segments
from licd_daemon.journal.codec import encode_state
from licd_daemon.journal.port import Head, Record, Snapshot

STATE_EVERY = 20
SNAPSHOT_EVERY = 60


def vocabulary() -> dict[str, Any]:
    """The schema of each event by its tag, without descriptions and the names of Python's classes."""
    definitions = msgspec.json.schema(AnyEvent)["$defs"]

    def plain(schema: Any) -> Any:
        if isinstance(schema, list):
            return [plain(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            named = plain(definitions[schema["$ref"].rpartition("/")[2]])
            return named | {key: item for key, item in schema.items() if key == "default"}
        return {key: plain(item) for key, item in schema.items() if key not in ("description", "title")}

    names = {str(kind.__struct_config__.tag): kind.__name__ for kind in get_args(AnyEvent)}
    return {tag: plain(definitions[name]) for tag, name in names.items()}


def plain_state(state: State) -> Any:
    """The state as JSON's values."""
    return json.loads(encode_state(state))["state"]


def _sqlite_journal() -> Any:
    """The class; 0.1.0 had it in `journal/sqlite.py`."""
    package = importlib.import_module("licd_daemon.journal.sqlite")
    if hasattr(package, "SqliteJournal"):
        return package.SqliteJournal
    return importlib.import_module("licd_daemon.journal.sqlite.backend").SqliteJournal


class _Writer:
    """Appends the story to a journal, and keeps what it gives."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self._state, self._snapshot_at = State(), 0
        self.records: list[Record] = []
        self.states: dict[int, Any] = {}

    async def write(self, story: Story) -> None:
        head = Head()
        for now, events in story.entries:
            records, after = chain.extend(head, events, now)
            await self._journal.append(records, head)
            head = after
            self.records += records
            for record, event in zip(records, events, strict=True):
                self._state = evolve(self._state, event, now)
                if record.position % STATE_EVERY == 0:
                    self.states[record.position] = plain_state(self._state)
            if head.position - self._snapshot_at >= SNAPSHOT_EVERY:
                await self._journal.save_snapshot(Snapshot(head, encode_state(self._state)))
                self._snapshot_at = head.position
        self.states[head.position] = plain_state(self._state)


async def _write_journal(story: Story, path: Path) -> _Writer:
    path.unlink(missing_ok=True)
    journal = await _sqlite_journal().open(path)
    try:
        writer = _Writer(journal)
        await writer.write(story)
    finally:
        await journal.close()
    return writer


def _as_segments(records: list[Record]) -> dict[str, str]:
    """Two, as of two appends."""
    half = len(records) // 2
    middle = Head(records[half - 1].position, records[half - 1].digest)
    packed = segments.pack(records[:half], Head()) + segments.pack(records[half:], middle)
    return {str(each.first): base64.b64encode(segments.encode(each)).decode() for each in packed}


def _write_json(path: Path, content: dict[Any, Any]) -> None:
    """One line for each key, so that a difference can be read."""
    lines = (f"{json.dumps(str(key))}: {json.dumps(item, sort_keys=True)}" for key, item in content.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main(folder: Path) -> None:
    """Plays the story and writes the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    story = Story()
    play(story)
    missing = vocabulary().keys() - story.kinds()
    if missing:
        raise SystemExit(f"tests/vectors/story.py has nothing of {', '.join(sorted(missing))}: add it there")
    writer = asyncio.run(_write_journal(story, folder / "journal.db"))
    _write_json(folder / "segments.json", _as_segments(writer.records))
    _write_json(folder / "states.json", writer.states)
    _write_json(folder / "events.json", vocabulary())
    print(f"{folder}: {len(writer.records)} entries, by the code in {Path(licd_daemon.__file__).parents[1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
