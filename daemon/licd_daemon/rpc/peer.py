"""Who is at the other end: its address, and what its certificate says (R34, R35).

A certificate says a role, by its URI SAN `licd:role/ROLE`; two different ones are none.
"""

import hashlib
import ssl
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote

from licd_daemon.core.model import Actor, Role
from licd_daemon.core.refusal import Reason, Refused

_ROLE_URI = b"licd:role/"
_IPV4_MAPPED = "::ffff:"
_SHOWN_SUBJECT = 200  # characters; a subject of any length is in every event that its owner causes

AuthContext = Mapping[str, Iterable[bytes]]
"""What `grpc.ServicerContext.auth_context()` gives."""


def shows_certificate(auth_context: AuthContext) -> bool:
    """Whether the connection is one of the port that demands client certificates (R34)."""
    return bool(auth_context.get("x509_pem_cert"))


def peer_role(auth_context: AuthContext) -> Role | None:
    """The role that a verified client certificate carries; None: no certificate, or no one role in it (R35)."""
    uris = _role_uris(auth_context)
    if len(uris) != 1:
        return None
    try:
        return Role(uris.pop().removeprefix(_ROLE_URI).decode("ascii"))
    except ValueError:
        return None


def without_role(auth_context: AuthContext) -> Refused:
    """The refusal of a certificate that carries no one role."""
    found = len(_role_uris(auth_context))
    problem = "names a role that there is not" if found == 1 else "names several roles" if found else "names no role"
    remedy = "it needs one URI SAN, licd:role/admin, licd:role/viewer or licd:role/node; or send a token"
    return Refused(Reason.NO_CREDENTIALS, f"The client certificate {problem}: {remedy}.")


def _role_uris(auth_context: AuthContext) -> set[bytes]:
    # Not x509_subject_alternative_name, which would also give a DNS name that looks like a role.
    return {name for name in auth_context.get("peer_uri", ()) if name.startswith(_ROLE_URI)}


def certificate_actor(auth_context: AuthContext, address: str) -> Actor | None:
    """Who a verified client certificate is; None: as `peer_role` (R35)."""
    role = peer_role(auth_context)
    if role is None:
        return None
    certificate = next(iter(auth_context.get("x509_pem_cert", ())), b"")
    subject = next(iter(auth_context.get("x509_subject", ())), b"").decode("utf-8", "replace")
    return Actor(role, "certificate", _fingerprint(certificate), subject[:_SHOWN_SUBJECT], address)


@lru_cache(maxsize=1024)
def _fingerprint(certificate: bytes) -> str:
    """SHA-256 of a PEM certificate's DER, in hexadecimal, as `openssl x509 -fingerprint -sha256` but without colons."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))).hexdigest()


def address_of(peer: str) -> str:
    """The host in what `grpc.ServicerContext.peer()` gives, without its port.

    `ipv4:10.0.0.7:50123` is 10.0.0.7, `ipv6:%5Bfe80::1%25eth0%5D:50123` is fe80::1%eth0, `unix:...` is unix.
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind.partition("-")[0]
    host = rest.rpartition(":")[0]
    if kind == "ipv6":
        host = plain_host(host.replace("%5B", "[").replace("%5D", "]").strip("[]"))
    return unquote(host) if "%" in host else host  # a zone's name may be in percent-encoding


def plain_host(host: str) -> str:
    """An IPv4 host as itself where a socket for both families gives it as an IPv6 address; any other as it is."""
    mapped = host.removeprefix(_IPV4_MAPPED)
    return mapped if "." in mapped and ":" not in mapped else host
