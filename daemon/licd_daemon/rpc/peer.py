"""What a client's certificate says: a role, by its URI SAN `licd:role/ROLE`; two different ones are none (R34, R35)."""

from collections.abc import Iterable, Mapping

from licd_daemon.core.model import Role

_ROLE_URI = b"licd:role/"


def shows_certificate(auth_context: Mapping[str, Iterable[bytes]]) -> bool:
    """Whether the connection is one of the port that demands client certificates (R34)."""
    return bool(auth_context.get("x509_pem_cert"))


def peer_role(auth_context: Mapping[str, Iterable[bytes]]) -> Role | None:
    """The role that a verified client certificate carries; None: no certificate, or no one role in it (R35).

    Args:
        auth_context: What `grpc.ServicerContext.auth_context()` gives.
    """
    # Not x509_subject_alternative_name, which would also give a DNS name that looks like a role.
    uris = {name for name in auth_context.get("peer_uri", ()) if name.startswith(_ROLE_URI)}
    if len(uris) != 1:
        return None
    try:
        return Role(uris.pop().removeprefix(_ROLE_URI).decode("ascii"))
    except ValueError:
        return None
