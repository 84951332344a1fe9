"""Tags and fields of events only grow: what any released version wrote can still be read, and means the same."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from support.releases import RELEASES, WHEELS
from vectors.story import Story, play
from vectors.write_release import vocabulary


def lost(old: Any, new: Any, where: str) -> list[str]:
    """What of a released schema the present one can't read, or would read as something else."""
    if new == old:
        return []
    if new is None:
        return [f"{where} is gone"]
    if "anyOf" in new:
        return _lost_of_several(old, new, where)
    if old.get("type") != new.get("type") or "anyOf" in old:
        return [f"{where} has another type"]
    found = [f"{where} has another default"] if old.get("default") != new.get("default") else []
    found += [f"{where} has no {value!r} any more" for value in old.get("enum", ()) if value not in new["enum"]]
    required = set(new.get("required", ())) - set(old.get("required", ()))
    found += [f"{where}.{name} is required now" for name in sorted(required)]
    properties = new.get("properties", {})
    for name, field in old.get("properties", {}).items():
        found += lost(field, properties.get(name), f"{where}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(old.get(part), dict):
            found += lost(old[part], new.get(part), f"{where}[]")
    return found


def _lost_of_several(old: Any, new: Any, where: str) -> list[str]:
    """Each of the old alternatives must be readable as one of the new."""
    if old.get("default") != new.get("default"):
        return [f"{where} has another default"]
    alternatives = old.get("anyOf", [{key: item for key, item in old.items() if key != "default"}])
    readings = ([lost(one, other, where) for other in new["anyOf"]] for one in alternatives)
    return [finding for reading in readings for finding in min(reading, key=len)]


def lost_events(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [finding for tag, schema in old.items() for finding in lost(schema, new.get(tag), tag)]


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_release_wrote_is_still_in_the_vocabulary(release: str) -> None:
    released = json.loads((WHEELS / release / "events.json").read_text())
    assert lost_events(released, vocabulary()) == []


def test_everything_in_the_vocabulary_happens_in_the_story_that_releases_keep() -> None:
    story = Story()
    play(story)
    assert vocabulary().keys() == story.kinds(), "tests/vectors/story.py"


def _edit(tag: str, *path: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What `path` leads to below an event's fields; as the test changes it."""

    def find(events: dict[str, Any]) -> dict[str, Any]:
        found = events[tag]
        for part in path:
            found = found["properties"][part]
        return found

    return find


def _rename_event(events: dict[str, Any]) -> None:
    events["seat_given"] = events.pop("seat_granted")


def _rename_field(events: dict[str, Any]) -> None:
    fields = _edit("session_joined")(events)
    fields["properties"]["node"] = fields["properties"].pop("node_name")
    fields["required"] = ["node" if name == "node_name" else name for name in fields["required"]]


def _rename_inner_field(events: dict[str, Any]) -> None:
    fields = _edit("license_installed", "license", "portal")(events)["properties"]
    fields["key"] = fields.pop("public_key")


def _require_field(events: dict[str, Any]) -> None:
    fields = _edit("seat_granted")(events)
    fields["properties"]["number"] = {"type": "integer"}
    fields["required"].append("number")


def _require_what_was_optional(events: dict[str, Any]) -> None:
    fields = _edit("session_queued")(events)
    del fields["properties"]["front"]["default"]
    fields["required"].append("front")


def _change_default(events: dict[str, Any]) -> None:
    _edit("session_queued", "front")(events)["default"] = True


def _change_type(events: dict[str, Any]) -> None:
    _edit("epoch_started", "epoch")(events)["type"] = "string"


def _drop_value(events: dict[str, Any]) -> None:
    _edit("session_ended", "reason")(events)["enum"].remove("COPIED")


def _drop_null(events: dict[str, Any]) -> None:
    alternatives = _edit("leader_clock_judged", "failure")(events).pop("anyOf")
    events["leader_clock_judged"]["properties"]["failure"] = alternatives[0]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (_rename_event, "seat_granted is gone"),
        (_rename_field, "session_joined.node_name is gone"),
        (_rename_inner_field, "license_installed.license.portal.public_key is gone"),
        (_require_field, "seat_granted.number is required now"),
        (_require_what_was_optional, "session_queued.front is required now"),
        (_change_default, "session_queued.front has another default"),
        (_change_type, "epoch_started.epoch has another type"),
        (_drop_value, "session_ended.reason has no 'COPIED' any more"),
        (_drop_null, "leader_clock_judged.failure has another type"),
    ],
)
def test_a_change_that_old_journals_do_not_bear_is_found(
    change: Callable[[dict[str, Any]], None], finding: str
) -> None:
    now = vocabulary()
    later = deepcopy(now)
    change(later)
    assert finding in lost_events(now, later)


def test_what_grows_is_no_loss() -> None:
    now = vocabulary()
    later = deepcopy(now)
    later["seat_lent"] = {"type": "object", "properties": {}, "required": []}
    later["seat_granted"]["properties"]["note"] = {"type": "string", "default": ""}
    later["session_ended"]["properties"]["reason"]["enum"].append("MERGED")
    later["epoch_started"]["properties"]["epoch"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert lost_events(now, later) == []
