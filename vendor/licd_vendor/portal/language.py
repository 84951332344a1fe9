"""Which language the phone's page is in: the one of the portal's that Accept-Language likes best (RFC 9110, 12.5.4)."""

from enum import StrEnum

_MAX_CHARACTERS = 512


class Language(StrEnum):
    """A language that the portal speaks; the value is its tag (RFC 5646)."""

    ENGLISH = "en"
    CHINESE = "zh-Hans"


_BY_PRIMARY_TAG = {"en": Language.ENGLISH, "zh": Language.CHINESE}


def choose(accepted: str) -> Language:
    """Give the language that is liked best; English when none is spoken, or the header is no such list."""
    best, liked = Language.ENGLISH, 0.0
    for item in accepted[:_MAX_CHARACTERS].split(","):
        tag, _, parameter = item.partition(";")
        language = _BY_PRIMARY_TAG.get(tag.strip().split("-")[0].lower())
        weight = _weight(parameter)
        if language is not None and weight > liked:
            best, liked = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if not name.strip():
        return 1.0
    try:
        weight = float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
