"""Times and spans of clocks that may be anywhere are messages that every reader takes."""

import pytest
from google.protobuf.json_format import MessageToJson

from licd_daemon.rpc.convert import duration, timestamp


@pytest.mark.parametrize("ms", [0, -1, 253_402_300_799_999, 253_402_300_800_000, 2**63, -(2**63), 10**30])
def test_a_clock_that_is_anywhere_gives_a_time_that_can_be_read(ms: int) -> None:
    MessageToJson(timestamp(ms))
    timestamp(ms).ToDatetime()


@pytest.mark.parametrize("ms", [0.0, -0.1, 1e17, -1e17, 2.0**80, -1e300])
def test_a_clock_that_differs_by_ages_gives_a_span_that_can_be_read(ms: float) -> None:
    MessageToJson(duration(ms))
