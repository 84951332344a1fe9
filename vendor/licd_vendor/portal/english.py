"""The portal in English."""

from http import HTTPStatus

from licd_vendor.domain.scan import Refusal
from licd_vendor.portal.sentences import Sentences, Texts, Words, split_span
from licd_vendor.spans import ENGLISH

_UNREADABLE = Words(
    HTTPStatus.NOT_FOUND,
    "This QR code can't be read",
    "The link is incomplete, was changed on its way, or is for another portal.",
    "Scan the whole QR code again with the phone's camera. If that fails too, ask your vendor.",
)
_REFUSALS = {
    Refusal.UNREADABLE: _UNREADABLE,
    Refusal.REVOKED: Words(
        HTTPStatus.FORBIDDEN,
        "This license was revoked",
        "Your vendor has withdrawn the license.",
        "Ask your vendor.",
    ),
    Refusal.EXPIRED: Words(
        HTTPStatus.GONE,
        "The certificate has expired",
        "The license has ended.",
        "Ask your vendor for a new Container.lic and upload it.",
    ),
    Refusal.QR_TOO_OLD: Words(
        HTTPStatus.GONE,
        "This QR code is too old",
        "Its code was shown more than 5 minutes ago, or is no longer valid.",
        "Refresh the QR on your server and scan the new one.",
    ),
    Refusal.RELEASED: Words(
        HTTPStatus.CONFLICT,
        "This installation has released its license",
        "A released installation can't be registered again.",
        "Upload Container.lic on the server again, then scan the new QR.",
    ),
    Refusal.BOUND_ELSEWHERE: Words(
        HTTPStatus.CONFLICT,
        "The maximum number of authorizations has been reached",
        "The license is in use by another installation.",
        "Release the license there first, or ask your vendor to unbind it.",
    ),
    Refusal.COPIED: Words(
        HTTPStatus.CONFLICT,
        "This installation was copied or restored",
        "Its records are not the newest that this portal has seen. Your vendor can see this.",
        "Register the original installation, or ask your vendor to unbind the license.",
    ),
    Refusal.NOT_BOUND: Words(
        HTTPStatus.CONFLICT,
        "Nothing to release",
        "The license was never bound to this installation.",
        "You can register the license on another server unless another installation holds it.",
    ),
    Refusal.RELEASE_LIMIT: Words(
        HTTPStatus.CONFLICT,
        "Ask your vendor to move this license",
        "The license was moved as often as the contract allows in a year. Your vendor can see this.",
        "Your vendor can unbind it for you.",
    ),
}
_NO_SUCH_PAGE = Words(HTTPStatus.NOT_FOUND, "There is no such page", "", "Scan the QR code again.")
_WRONG_METHOD = Words(HTTPStatus.METHOD_NOT_ALLOWED, "That is not possible here", "", "Scan the QR code again.")
_TOO_LARGE = Words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That was too much", "", "Scan the QR code again.")
_BUSY = Words(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The portal can't answer right now",
    "Nothing was changed.",
    "Wait a minute, then reload this page.",
)
_TOO_OFTEN = Words(
    HTTPStatus.TOO_MANY_REQUESTS,
    "That was too often",
    "Too many codes were asked for from here, or for this license, in the last minute. Nothing was changed.",
    "Wait a minute, then scan the QR code again.",
)
_TEXTS = Texts(
    register_title="Register your servers",
    register_text=(
        "Tap the button to get the six digits for your server. The first time, this ties the license to that "
        "installation."
    ),
    register_button="Show the code",
    register_hint="Not in front of your own server's QR code? Then close this page.",
    release_title="Release the license",
    release_text=(
        "Tap the button to free the license from the old installation. It can then be registered on another server. "
        "This can't be undone."
    ),
    release_button="Release",
    code_title="Type this code on your server",
    code_label="Code:",
    code_hint="Valid for 5 minutes from when the QR appeared. Too late? Refresh the QR and scan it again.",
    company="Company",
    project="Project",
    nodes="Nodes connected",
    node_count="{count} of at most {maximum}",
    outage_grace="Programs run without the license daemon for",
    too_many_nodes=(
        "More nodes are connected than the license allows: the server will refuse the code until some of them leave."
    ),
    released_title="The license is released",
    released_text=(
        "The old installation is free of it for good. To use the license on another server, upload Container.lic there "
        "and scan the QR code that it shows."
    ),
    what_to_do="What to do",
)


def _clock_off(offset: int) -> Words:
    where = "behind" if offset < 0 else "ahead"
    return Words(
        HTTPStatus.CONFLICT,
        f"Your server's clock is {span(abs(offset))} {where}",
        "A license can only be registered on a server that knows the time.",
        "Set the server's clock, then refresh the QR and scan the new one. "
        "If this is an old picture of the QR, just scan a fresh one.",
    )


def span(seconds: int) -> str:
    """Write a span of time in its two largest units, such as `3 h 12 min`."""
    days, hours, minutes = split_span(seconds)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


SENTENCES = Sentences(
    _TEXTS, _REFUSALS, _clock_off, _NO_SUCH_PAGE, _WRONG_METHOD, _TOO_LARGE, _TOO_OFTEN, _BUSY, ENGLISH
)
