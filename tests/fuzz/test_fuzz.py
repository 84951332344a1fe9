"""A slice of `make fuzz`: some inputs to every door in each run of the tests, the same ones in each (R36)."""

import json
import random
from contextlib import ExitStack

import pytest
from fuzz.door import Door, each, tried
from fuzz.run import DOORS

INPUTS = {
    "journal-file": 500, "seat-answer": 3_000, "mail": 3_000, "config-file": 2_000, "license-file": 5_000,
    "grpc-call": 4_000, "http2-frames": 4_000, "console": 500, "ops": 500, "portal": 500, "staff-page": 500,
}  # fmt: skip
MANY = 20_000
"""Of what costs microseconds."""


@pytest.mark.parametrize("name", DOORS)
def test_R36_no_input_makes_a_door_fail(name: str) -> None:
    with ExitStack() as stack:
        assert tried(DOORS[name](stack), random.Random(f"36 {name}"), INPUTS.get(name, MANY)) == []


def test_a_reader_that_fails_is_found() -> None:
    """The fuzzers find what they are for."""
    faults = tried(Door((b'{"a": "b"}',), (), each(json.loads, OSError)), random.Random(1), 1_000)
    assert faults
    for content, found in faults:
        with pytest.raises((json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
            json.loads(content)
        assert "Error" in found
