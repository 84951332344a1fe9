"""A vendor in memory: signs licenses, and opens challenges as the portal does."""

import base64
import dataclasses
import re
import time
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from licd_formats.challenge import Purpose, SealedContent, open_sealed
from licd_formats.container_lic import sign
from licd_formats.license import License, LicensedApplication, Portal, Vendor
from licd_formats.vendor_keys import VendorKeys

DAY = 86_400


class TestVendor:
    """Keys of one vendor, and what they are for."""

    __test__ = False

    def __init__(self) -> None:
        self.signing = Ed25519PrivateKey.generate()
        self.portal = X25519PrivateKey.generate()

    def write_keys(self, path: Path) -> Path:
        """The JWK Set that a daemon pins."""
        path.write_text(VendorKeys.of({"key-1": self.signing.public_key()}).to_jwk_set())
        return path

    def license(self, **changes: Any) -> License:
        """A license for 3 nodes of report-server 10.0 for a year, with changes."""
        now = int(time.time())
        raw = self.portal.public_key().public_bytes_raw()
        license = License(
            license_id=str(uuid.uuid4()),
            issuer="Vendor Ltd",
            company="Acme Ltd",
            issued_at=now,
            expires_at=now + 365 * DAY,
            project="Sales reports",
            auth_method="LOCAL_CONTAINER",
            application=LicensedApplication("report-server", "10.0", "sales", "2021-10-30"),
            max_nodes=3,
            portal=Portal("https://portal.vendor.example", base64.urlsafe_b64encode(raw).decode().rstrip("=")),
            vendor=Vendor("Vendor Ltd", "licenses@vendor.example"),
            key_id="key-1",
            recertify_days=None,
        )
        return dataclasses.replace(license, **changes)

    def lic(self, license: License | None = None, **changes: Any) -> bytes:
        """The bytes of Container.lic."""
        return sign(license or self.license(**changes), self.signing)

    def open(self, url: str, purpose: Purpose = Purpose.REGISTER) -> SealedContent:
        """What the QR's URL tells the portal."""
        token = re.fullmatch(r"https?://[^/]+/[QR]/([A-Z2-7]+)", url)
        assert token is not None, url
        return open_sealed(token[1], self.portal, purpose)

    def code(self, url: str) -> str:
        """The six digits that the phone would show."""
        return self.open(url).code
