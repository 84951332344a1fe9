"""Which language the phone's page is in: the one of the portal's that Accept-Language likes best (RFC 9110, 12.5.4)."""

from enum import StrEnum

from licd_kit.web import language


class Language(StrEnum):
    """A language that the portal speaks; the value is its tag (RFC 5646)."""

    ENGLISH = "en"
    CHINESE = "zh-Hans"


_BY_PRIMARY_TAG = {"en": Language.ENGLISH, "zh": Language.CHINESE}


def choose(accepted: str) -> Language:
    """Give the language that is liked best; English when none is spoken, or the header is no such list."""
    return _BY_PRIMARY_TAG[language.choose(accepted, _BY_PRIMARY_TAG, "en")]
