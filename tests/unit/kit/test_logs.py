"""One way to log for daemon and vendor: JSON lines, the libraries' records among them."""

import json
import logging
import subprocess
import sys
from collections import Counter

import pytest

from licd_kit import logs, rate_limit

SPEAK = """
import logging, sys, structlog
from licd_kit.logs import configure
configure("json", *sys.argv[1:])
structlog.get_logger("licd_vendor.portal").info("answered", status=200)
logging.getLogger("library").info("chatter")
logging.getLogger("library").warning("trouble")
"""


@pytest.mark.parametrize(
    ("own", "kept"), [((), ["answered", "chatter", "trouble"]), (("licd_vendor",), ["answered", "trouble"])]
)
def test_a_process_logs_its_own_acts_and_the_warnings_of_libraries(own: tuple[str, ...], kept: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-c", SPEAK, *own], capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [record["event"] for record in records] == kept
    assert (records[0]["logger"], records[0]["level"], records[0]["status"]) == ("licd_vendor.portal", "info", 200)
    assert all(record["timestamp"].endswith("Z") for record in records)


ATTACKED = """
import logging, structlog
from licd_kit.logs import configure
configure("text")
log, secret = structlog.get_logger("licd"), "s3cret"
log.info("joined\\x1b[2J", node="\\x1b[31mred\\u202e", nodes=["\\x1b]0;title\\x07"])
logging.getLogger("library").warning("from %s", "peer\\n2026-01-01 forged \\x1b[0m")
try:
    raise ValueError("bad \\x1b[31m name")
except ValueError:
    log.exception("failed")
"""


def test_a_readable_log_obeys_no_name_and_shows_no_variable() -> None:
    ran = subprocess.run([sys.executable, "-c", ATTACKED], capture_output=True, check=True)
    log = ran.stderr.decode()
    assert all(line.isprintable() for line in log.splitlines()), log
    assert len([line for line in log.splitlines() if line.startswith("20")]) == 3
    assert "ValueError: bad \\x1b[31m name" in log
    assert "s3cret" not in log


FLOODED = """
import logging, structlog
from licd_kit.logs import configure
configure("json")
for number in range(5000):
    logging.getLogger("library.part").warning("garbage from %s", number)
    logging.getLogger("other").warning("trouble") if number % 1000 == 0 else None
    structlog.get_logger("licd_daemon.core").info("own") if number % 100 == 0 else None
"""


def test_R36_a_library_writes_few_lines_a_second_and_licd_all_of_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", FLOODED], capture_output=True, text=True, check=True)
    loggers = Counter(json.loads(line)["logger"] for line in ran.stderr.splitlines())
    assert loggers["licd_daemon.core"] == 50
    assert loggers["other"] == 5
    assert 20 <= loggers["library.part"] < 100


def test_R36_a_library_that_writes_again_says_how_much_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(rate_limit, "boottime_ms", lambda: now[0])
    lines = logs.LibraryLines()

    def passed(text: str) -> str | None:
        record = logging.LogRecord("library", logging.WARNING, "", 0, text, None, None)
        return record.getMessage() if lines.filter(record) else None

    assert [passed("x") for _ in range(logs.LIBRARY_LINES + 3)].count(None) == 3
    now[0] = 1000
    assert passed("y") == "y (3 more lines of library were left out before this one)"
    now[0] = 2000
    assert passed("z") == "z"
