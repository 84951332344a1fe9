"""The console's words: one catalogue a language, chosen by the person, else by the browser (Accept-Language)."""

import json
from functools import cache
from importlib.resources import files

from licd_daemon.core.reasons import FailureReason
from licd_kit.web import language

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"


@cache
def catalogue(tag: str) -> dict[str, str]:
    """The words of a language by their keys; those of the failure reasons are in their rows."""
    text = (files("licd_daemon.console") / "words" / f"{tag}.json").read_text(encoding="utf-8")
    words: dict[str, str] = json.loads(text)
    rows = {f"reason.{reason}": reason.row for reason in FailureReason}
    return words | {key: row.chinese if tag == "zh" else row.title for key, row in rows.items()}


def choose(asked: str, accepted: str) -> str:
    """The language of an answer.

    Args:
        asked: What the person has chosen; "" or unknown: nothing.
        accepted: The header Accept-Language (RFC 9110, section 12.5.4).
    """
    return asked if asked in LANGUAGES else language.choose(accepted, LANGUAGES, DEFAULT)
