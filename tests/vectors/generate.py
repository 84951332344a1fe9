"""Write the test vectors of Container.lic (R1) and of the sealed challenge (R6): `python tests/vectors/generate.py`.

The keys are for tests only, and fixed, so that every run writes the same bytes. Nothing here calls licd: licenses are
signed with `cryptography` alone and challenges are sealed with pyhpke, so the vectors are a second opinion. A case is
{name, content or token, error}; `error` is the class that reading it must raise.
"""

import base64
import hashlib
import hmac
import json
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair

FOLDER = Path(__file__).parent
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
PORTAL_KEY = X25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
OTHER_PORTAL_KEY = X25519PrivateKey.from_private_bytes(bytes(range(96, 128)))
EPHEMERAL_KEY = X25519PrivateKey.from_private_bytes(bytes(range(128, 160)))
KID = "test-2026"
INVALID, TYPE_MISMATCH, CHALLENGE = "LicenseInvalid", "LicenseTypeMismatch", "ChallengeInvalid"
LICENSE_ID = "3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d"
Case = dict[str, Any]


def b64u(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER = {"alg": "EdDSA", "typ": "container-lic+jwt", "kid": KID}
PORTAL_PUBLIC = b64u(PORTAL_KEY.public_key().public_bytes_raw())
CLAIMS: dict[str, Any] = {
    "iss": "Example Vendor",
    "jti": LICENSE_ID,
    "sub": "Beispiel Büro 株式会社",
    "iat": 1_780_000_000,
    "exp": 1_811_536_000,
    "ver": 1,
    "project": "Finance",
    "auth_method": "LOCAL_CONTAINER",
    "application": {
        "name": "report-server",
        "version": "10.0",
        "content": "finance/reports",
        "min_build_date": "2022-01-31",
    },
    "max_nodes": 3,
    "portal": {"url": "https://portal.example.com:8600", "public_key": PORTAL_PUBLIC},
    "vendor": {"name": "Example Vendor", "email": "licences@vendor.example"},
    "recertify_days": 90,
}
SECOND: dict[str, Any] = CLAIMS | {
    "application": CLAIMS["application"] | {"min_version": "10.0.7"},
    "outage_grace_seconds": 86_400,
}
"""With the claims that 0.1.0 does not know."""
MINIMAL = {k: v for k, v in CLAIMS.items() if k not in ("max_nodes", "recertify_days")} | {
    "application": {"name": "report-server", "version": "10", "content": ""},
    "portal": {"url": "http://[2001:db8::1]:65535", "public_key": PORTAL_PUBLIC},
}


def signed(header: object, payload: bytes, key: Ed25519PrivateKey = SIGNING_KEY) -> str:
    raw_header = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    signing_input = f"{b64u(raw_header)}.{b64u(payload)}"
    return f"{signing_input}.{b64u(key.sign(signing_input.encode()))}"


def with_claims(**changes: object) -> str:
    """A properly signed file with some claims changed; `...` takes one away, `a__b` is b within a."""
    claims = json.loads(json.dumps(CLAIMS))
    for path, value in changes.items():
        *outer, name = path.split("__")
        target = claims[outer[0]] if outer else claims
        if value is ...:
            del target[name]
        else:
            target[name] = value
    return signed(HEADER, json.dumps(claims, separators=(",", ":")).encode())


def license_of(claims: dict[str, Any]) -> Case:
    """The License that must be read from these claims."""
    return {
        "license_id": claims["jti"],
        "issuer": claims["iss"],
        "company": claims["sub"],
        "issued_at": claims["iat"],
        "expires_at": claims["exp"],
        "project": claims["project"],
        "auth_method": claims["auth_method"],
        "application": {"min_build_date": "2021-10-30", "min_version": ""} | claims["application"],
        "max_nodes": claims.get("max_nodes", 1),
        "portal": claims["portal"],
        "vendor": claims["vendor"],
        "key_id": KID,
        "recertify_days": claims.get("recertify_days"),
        "outage_grace_seconds": claims.get("outage_grace_seconds", 900),
    }


def invalid_envelopes() -> Iterator[tuple[str, str, str]]:
    payload = json.dumps(CLAIMS).encode()
    good = signed(HEADER, payload)
    header, body, signature = good.split(".")
    public_raw = SIGNING_KEY.public_key().public_bytes_raw()
    hs_input = f"{b64u(json.dumps(HEADER | {'alg': 'HS256'}).encode())}.{body}"
    hs_mac = b64u(hmac.new(public_raw, hs_input.encode(), hashlib.sha256).digest())
    none_header = b64u(json.dumps(HEADER | {"alg": "none"}).encode())
    yield "empty file", "", INVALID
    yield "two parts", f"{header}.{body}", INVALID
    yield "four parts", f"{good}.", INVALID
    yield "trailing newline", good + "\n", INVALID
    yield "trailing space", good + " ", INVALID
    yield "leading space", " " + good, INVALID
    yield "padding", f"{header}.{body}.{signature}==", INVALID
    yield "standard base64 alphabet", f"{header}.{body}.{signature[:-4]}+/+/", INVALID
    yield "unused bits of the signature set", good[:-1] + ("B" if good[-1] == "A" else chr(ord(good[-1]) + 1)), INVALID
    yield "not ASCII", good[:-1] + "é", INVALID
    yield "larger than 64 KiB", signed(HEADER, json.dumps(CLAIMS | {"project": "x" * 65536}).encode()), INVALID
    yield "alg none with an empty signature", f"{none_header}.{body}.", INVALID
    yield "alg none with the old signature", f"{none_header}.{body}.{signature}", INVALID
    yield "HS256 with the public key as its secret", f"{hs_input}.{hs_mac}", INVALID
    yield "alg in another case", signed(HEADER | {"alg": "eddsa"}, payload), INVALID
    yield "alg Ed25519", signed(HEADER | {"alg": "Ed25519"}, payload), INVALID
    yield "typ JWT", signed(HEADER | {"typ": "JWT"}, payload), INVALID
    yield "no kid", signed({k: v for k, v in HEADER.items() if k != "kid"}, payload), INVALID
    yield "kid a number", signed(HEADER | {"kid": 1}, payload), INVALID
    yield "unknown kid", signed(HEADER | {"kid": "other"}, payload, OTHER_SIGNING_KEY), INVALID
    yield "another key under the pinned kid", signed(HEADER, payload, OTHER_SIGNING_KEY), INVALID
    yield "a jwk of its own", signed(HEADER | {"jwk": {"kty": "OKP", "crv": "Ed25519"}}, payload), INVALID
    yield "crit", signed(HEADER | {"crit": ["b64"], "b64": False}, payload), INVALID
    yield "duplicate alg", signed(json.dumps(HEADER).encode()[:-1] + b',"alg":"none"}', payload), INVALID
    yield "header a list", signed([1], payload), INVALID
    yield (
        "payload of another file",
        f"{header}.{b64u(json.dumps(CLAIMS | {'max_nodes': 9}).encode())}.{signature}",
        INVALID,
    )
    yield "payload not JSON", signed(HEADER, b"license"), INVALID
    yield "payload a string", signed(HEADER, b'"license"'), INVALID
    yield "payload in UTF-16", signed(HEADER, json.dumps(CLAIMS).encode("utf-16")), INVALID
    yield "payload with a byte order mark", signed(HEADER, b"\xef\xbb\xbf" + payload), INVALID
    yield "payload nested without end", signed(HEADER, b"[" * 5_000), INVALID
    yield "duplicate claim", signed(HEADER, payload[:-1] + b',"max_nodes":9}'), INVALID
    yield "duplicate name within a claim", signed(HEADER, payload.replace(b'"url"', b'"url":"http://a","url"')), INVALID
    yield "NaN", signed(HEADER, payload.replace(b'"max_nodes": 3', b'"max_nodes": NaN')), INVALID


def invalid_claims() -> Iterator[tuple[str, str, str]]:
    for name in CLAIMS:
        if name not in ("max_nodes", "recertify_days"):
            yield f"{name} missing", with_claims(**{name: ...}), INVALID
        yield f"{name} null", with_claims(**{name: None}), INVALID
        yield f"{name} true", with_claims(**{name: True}), INVALID
        yield f"{name} a float", with_claims(**{name: 1.0}), INVALID
        yield f"{name} a list", with_claims(**{name: []}), INVALID
    for name in ("iss", "jti", "sub", "project", "auth_method", "application__name", "application__version"):
        yield f"{name} empty", with_claims(**{name: ""}), INVALID
        yield f"{name} steers the terminal", with_claims(**{name: "a\x1b[2J"}), INVALID
        yield f"{name} too long", with_claims(**{name: "a" * 257}), INVALID
    for group in ("application", "portal", "vendor"):
        for name in (n for n in CLAIMS[group] if n != "min_build_date"):
            yield f"{group}.{name} missing", with_claims(**{f"{group}__{name}": ...}), INVALID
        yield f"{group} with an unknown member", with_claims(**{f"{group}__more": "x"}), INVALID


def invalid_values() -> Iterator[tuple[str, str, str]]:
    yield "unknown claim", with_claims(nbf=1_780_000_000), INVALID
    yield "ver 2", with_claims(ver=2), TYPE_MISMATCH
    yield "ver 2 with claims of its own", with_claims(ver=2, seats=3, project=...), TYPE_MISMATCH
    yield "ver a string", with_claims(ver="1"), INVALID
    yield "another authentication method", with_claims(auth_method="DONGLE"), TYPE_MISMATCH
    yield "auth_method in another case", with_claims(auth_method="local_container"), TYPE_MISMATCH
    yield "jti in upper case", with_claims(jti=LICENSE_ID.upper()), INVALID
    yield "jti in braces", with_claims(jti="{" + LICENSE_ID.replace("-", "") + "}xx"), INVALID
    yield "line separator", with_claims(sub="a\u2028b"), INVALID
    yield "bidirectional override", with_claims(sub="a\u202eb"), INVALID
    yield "lone surrogate", with_claims(sub="a\ud800b"), INVALID
    yield "exp equal to iat", with_claims(exp=CLAIMS["iat"]), INVALID
    yield "exp beyond the year 9999", with_claims(exp=253_402_300_800), INVALID
    yield "iat negative", with_claims(iat=-1), INVALID
    for value in (0, -1, 1_000_001, "3"):
        yield f"max_nodes {value!r}", with_claims(max_nodes=value), INVALID
    for value in (0, 36_501, "90"):
        yield f"recertify_days {value!r}", with_claims(recertify_days=value), INVALID
    for grace in (-1, 604_801, "900", True, 1.0, None):
        yield f"outage_grace_seconds {grace!r}", with_claims(outage_grace_seconds=grace), INVALID
    for lowest in (10, None, "1" * 65, "10.0\n", "10.\u202e0"):
        yield f"min_version {lowest!r}", with_claims(application__min_version=lowest), INVALID
    for date in ("2021-02-29", "20211030", "2021-W43-6", "2021-10-30T00:00", "30.10.2021", "2021-1-3"):
        yield f"min_build_date {date}", with_claims(application__min_build_date=date), INVALID
    yield "content too long", with_claims(application__content="c" * 1025), INVALID
    for url in (
        "portal.example.com", "ftp://a", "//a", "https://", "https://a/", "https://a/x", "https://a?x", "https://a#x",
        "https://u@a", "https://u:p@a", "https://a:0", "https://a:65536", "https://a:08", "https://a:", "https://a b",
        "https://-a", "https://a..b", "https://[::g]", "https://[1.2.3.4]", "HTTPS://a", "https://ä.example",
        "https://" + "a" * 52,
    ):  # fmt: skip
        yield f"portal.url {url}", with_claims(portal__url=url), INVALID
    low_order = ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"]
    low_order += ["e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"]
    low_order += ["5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"]
    for point in low_order:
        yield (
            f"portal.public_key of low order {point[:8]}",
            with_claims(portal__public_key=b64u(bytes.fromhex(point))),
            INVALID,
        )
    yield "portal.public_key of 31 bytes", with_claims(portal__public_key=PORTAL_PUBLIC[:42]), INVALID
    yield "portal.public_key padded", with_claims(portal__public_key=PORTAL_PUBLIC + "="), INVALID
    yield "portal.public_key not canonical", with_claims(portal__public_key=PORTAL_PUBLIC[:-1] + "Z"), INVALID
    for email in ("nobody", "a@", "@b", "a b@c", "a@b@c", "<a@b>", "a@b\n"):
        yield f"vendor.email {email!r}", with_claims(vendor__email=email), INVALID


def container_lic() -> Case:
    public = b64u(SIGNING_KEY.public_key().public_bytes_raw())
    valid = [
        {"name": "every claim", "content": with_claims(), "license": license_of(CLAIMS)},
        {
            "name": "defaults",
            "content": signed(HEADER, json.dumps(MINIMAL).encode()),
            "license": license_of(MINIMAL),
        },
        {
            "name": "min_version and outage_grace_seconds",
            "content": signed(HEADER, json.dumps(SECOND).encode()),
            "license": license_of(SECOND),
        },
        {
            "name": "the longest outage_grace_seconds",
            "content": with_claims(outage_grace_seconds=604_800),
            "license": license_of(CLAIMS | {"outage_grace_seconds": 604_800}),
        },
        {
            "name": "outage_grace_seconds 0",
            "content": with_claims(outage_grace_seconds=0),
            "license": license_of(CLAIMS | {"outage_grace_seconds": 0}),
        },
    ]
    cases = [*invalid_envelopes(), *invalid_claims(), *invalid_values()]
    return {
        "signing_key": SIGNING_KEY.private_bytes_raw().hex(),
        "vendor_keys": {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": KID, "x": public}]},
        "valid": valid,
        "invalid": [{"name": name, "content": content, "error": error} for name, content, error in cases],
    }


CONTENT: dict[str, Any] = {
    "license_id": LICENSE_ID,
    "project_key": bytes(range(16)).hex(),
    "challenge_id": "0102030405060708",
    "created_at": 1_790_000_000,
    "predecessor": "0000000000000000",
    "node_count": 3,
    "code": "042195",
}
RELEASE = CONTENT | {"code": "000000", "predecessor": "1112131415161718", "node_count": 0}


def packed(content: Case) -> bytes:
    return struct.pack(
        ">16s16s8sI8sI3s",
        uuid.UUID(content["license_id"]).bytes,
        bytes.fromhex(content["project_key"]),
        bytes.fromhex(content["challenge_id"]),
        content["created_at"],
        bytes.fromhex(content["predecessor"]),
        content["node_count"],
        int(content["code"]).to_bytes(3, "big"),
    )


def sealed(plaintext: bytes, purpose: str, key: X25519PrivateKey = PORTAL_KEY) -> str:
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)
    receiver = KEMKey.from_pyca_cryptography_key(key.public_key())
    pair = KEMKeyPair(
        KEMKey.from_pyca_cryptography_key(EPHEMERAL_KEY), KEMKey.from_pyca_cryptography_key(EPHEMERAL_KEY.public_key())
    )
    enc, sender = suite.create_sender_context(receiver, info=f"licd/v1/{purpose}".encode(), eks=pair)
    return base64.b32encode(enc + sender.seal(plaintext)).rstrip(b"=").decode()


def invalid_challenges() -> Iterator[tuple[str, str, str]]:
    good = sealed(packed(CONTENT), "register")
    yield "sealed for a release", sealed(packed(RELEASE), "release"), "register"
    yield "sealed for registering", good, "release"
    yield "sealed to another portal", sealed(packed(CONTENT), "register", OTHER_PORTAL_KEY), "register"
    yield "sealed without a purpose", sealed(packed(CONTENT), ""), "register"
    yield "empty", "", "register"
    yield "cut by one character", good[:-1], "register"
    yield "longer by one character", good + "A", "register"
    yield "padded", good + "====", "register"
    yield "trailing newline", good[:-1] + "\n", "register"
    yield "unused bits set", good[:-1] + chr(ord(good[-1]) + 1), "register"
    yield "a digit that base32 lacks", "1" + good[1:], "register"
    yield "a letter of another script", "ı" + good[1:], "register"
    yield "all A: a point of low order", "A" * 172, "register"
    yield "58 bytes inside", sealed(packed(CONTENT)[:-1], "register"), "register"
    yield "60 bytes inside", sealed(packed(CONTENT) + b"\0", "register"), "register"
    yield "code above 999999", sealed(packed(CONTENT)[:-3] + b"\x0f\x42\x40", "register"), "register"
    yield "a release with a code", sealed(packed(CONTENT), "release"), "release"
    yield "challenge id zero", sealed(packed(CONTENT | {"challenge_id": "00" * 8}), "register"), "register"
    yield "its own predecessor", sealed(packed(CONTENT | {"predecessor": "0102030405060708"}), "register"), "register"
    yield "created at zero", sealed(packed(CONTENT | {"created_at": 0}), "register"), "register"
    yield "more than a million nodes", sealed(packed(CONTENT | {"node_count": 1_000_001}), "register"), "register"


def challenge() -> Case:
    largest = CONTENT | {"node_count": 1_000_000, "created_at": 2**32 - 1, "code": "999999", "predecessor": "ff" * 8}
    valid = [("first", CONTENT, "register"), ("largest", largest, "register"), ("release", RELEASE, "release")]
    return {
        "portal_private_key": PORTAL_KEY.private_bytes_raw().hex(),
        "portal_public_key": PORTAL_KEY.public_key().public_bytes_raw().hex(),
        "valid": [
            {"name": name, "token": sealed(packed(content), purpose), "purpose": purpose, "content": content}
            for name, content, purpose in valid
        ],
        "invalid": [
            {"name": name, "token": token, "purpose": purpose, "error": CHALLENGE}
            for name, token, purpose in invalid_challenges()
        ],
    }


def rendered() -> dict[str, str]:
    """Every vector file's name and text."""
    vectors = {"container_lic.json": container_lic(), "challenge.json": challenge()}
    return {name: json.dumps(value, indent=1) + "\n" for name, value in vectors.items()}


if __name__ == "__main__":
    for file_name, text in rendered().items():
        (FOLDER / file_name).write_text(text)
