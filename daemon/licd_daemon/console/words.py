"""The console's words: one catalogue a language, chosen by the person, else by the browser (Accept-Language)."""

import json
from functools import cache
from importlib.resources import files

from licd_daemon.core.reasons import FailureReason

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """The words of a language by their keys; those of the failure reasons are in their rows."""
    text = (files("licd_daemon.console") / "words" / f"{language}.json").read_text(encoding="utf-8")
    words: dict[str, str] = json.loads(text)
    rows = {f"reason.{reason}": reason.row for reason in FailureReason}
    return words | {key: row.chinese if language == "zh" else row.title for key, row in rows.items()}


def choose(asked: str, accepted: str) -> str:
    """The language of an answer.

    Args:
        asked: What the person has chosen; "" or unknown: nothing.
        accepted: The header Accept-Language (RFC 9110, section 12.5.4).
    """
    if asked in LANGUAGES:
        return asked
    weighed = []
    for number, part in enumerate(accepted.split(",")[:32]):
        name, _, quality = part.strip().partition(";q=")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            weighed.append((-_quality(quality), number, language))
    return min(weighed)[2] if weighed else DEFAULT


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
