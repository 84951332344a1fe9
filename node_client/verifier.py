"""R37: verifies a Container.lic with pinned keys, by the same strict reader as the daemon; of the extra `licd[verify]`.

Nothing here is imported before a program names keys: node_client itself needs grpcio and protobuf alone.
"""

import datetime as dt
import pathlib
from typing import TYPE_CHECKING

from node_client.proof import MISSING, UNTRUSTED, Proof
from node_client.values import Application, Failure

if TYPE_CHECKING:
    from licd_formats.license import License

_ASK = "Ask {0.vendor.name} <{0.vendor.email}> for a license of this program, and upload it."
_RENEW = "Ask {0.vendor.name} <{0.vendor.email}> for a new license, and upload it; or set this machine's clock right."


class Verifier:
    """Judges licenses for one application.

    `vendor_keys`: the JWK Set of the pinned keys itself (it begins with a brace), or the path of its file.

    Raises:
        ValueError: the keys cannot be used, or the extra is not installed; the message names the argument.
    """

    def __init__(self, vendor_keys: str | bytes | pathlib.Path, application: Application) -> None:
        """Read the keys once: they are pinned."""
        try:
            from licd_formats import container_lic, license_file, vendor_keys as formats  # noqa: I001
        except ImportError as error:
            message = "vendor_keys: verifying needs more than the plain library; install it: pip install 'licd[verify]'"
            raise ValueError(message) from error
        try:
            self._keys = formats.VendorKeys.from_jwk_set(_text(vendor_keys))
        except formats.VendorKeysInvalid as error:
            message = f"vendor_keys: {error}; give the JWK Set of the vendor's public keys"
            raise ValueError(message) from None
        self._read, self._invalid = license_file.read, container_lic.LicenseInvalid
        self._application = application
        self._last = (b"", MISSING)

    def judge(self, content: bytes) -> Proof:
        """What a Container.lic proves; whether it has ended is for the caller's clock. Cheap if it is the last one."""
        if not content:
            return MISSING
        if content != self._last[0]:
            self._last = (content, self._judged(content))
        return self._last[1]

    def _judged(self, content: bytes) -> Proof:
        try:
            license = self._read(content, self._keys)
        except self._invalid:
            return UNTRUSTED
        date = dt.datetime.fromtimestamp(license.expires_at, dt.UTC).date()
        ended = _failure(license, "CERTIFICATE_EXPIRED", f"Expiration time: {date}", remedy=_RENEW)
        failures = _mismatches(license, self._application)
        return Proof(failures, (ended,), license.expires_at, license.outage_grace_seconds)


_TITLES = {
    "CERTIFICATE_EXPIRED": "The certificate has expired",
    "APPLICATION_NAME_MISMATCH": "Application name does not match",
    "VERSION_MISMATCH": "Version mismatch",
    "PROJECT_CONTENT_MISMATCH": "Project content does not match",
    "BUILD_TOO_OLD": "The report server's build is too old",
}


def _failure(license: "License", reason: str, detail: str, remedy: str = _ASK) -> Failure:
    return Failure(reason, _TITLES[reason], detail, remedy.format(license))


def _mismatches(license: "License", local: Application) -> tuple[Failure, ...]:
    """R5: every way in which the program is not the licensed one."""
    from licd_formats.versions import version_matches, version_reaches

    certified, found = license.application, list[Failure]()
    if local.name != certified.name:
        names = f"Certified application name: {certified.name} Local application name: {local.name}"
        found.append(_failure(license, "APPLICATION_NAME_MISMATCH", names))
    if not version_matches(certified.version, local.version):
        versions = f"Certified application version: {certified.version} Local application version: {local.version}"
        found.append(_failure(license, "VERSION_MISMATCH", versions))
    elif certified.min_version and not version_reaches(certified.min_version, local.version):
        versions = f"Lowest certified version: {certified.min_version} Local application version: {local.version}"
        found.append(_failure(license, "VERSION_MISMATCH", versions))
    if local.content != certified.content:
        contents = f"Certification project content: {certified.content} Local project content: {local.content}"
        found.append(_failure(license, "PROJECT_CONTENT_MISMATCH", contents))
    if local.build_date < certified.min_build_date:
        builds = f"Build {local.build_date}, needs {certified.min_build_date} or later"
        found.append(_failure(license, "BUILD_TOO_OLD", builds))
    return tuple(found)


def _text(vendor_keys: str | bytes | pathlib.Path) -> str | bytes:
    if isinstance(vendor_keys, bytes) or (isinstance(vendor_keys, str) and vendor_keys.lstrip().startswith("{")):
        return vendor_keys
    try:
        return pathlib.Path(vendor_keys).read_bytes()
    except OSError as error:
        message = f"vendor_keys: cannot read {vendor_keys}: {error.strerror}"
        raise ValueError(message) from error
