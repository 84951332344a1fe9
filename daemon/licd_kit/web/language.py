"""The language of an answer: the one that Accept-Language likes best (RFC 9110, section 12.5.4)."""

from collections.abc import Collection

_MAX_CHARACTERS = 512


def choose(accepted: str, spoken: Collection[str], default: str) -> str:
    """The primary tag of `spoken`, such as `en`, that is liked best.

    Args:
        accepted: The header Accept-Language.
        spoken: The languages that there are.
        default: The answer where none of them is accepted, or the header is not such a list.
    """
    best, liked = default, 0.0
    for item in accepted[:_MAX_CHARACTERS].split(","):
        tag, _, parameter = item.partition(";")
        language, weight = tag.strip().split("-")[0].lower(), _weight(parameter)
        if language in spoken and weight > liked:
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
