"""Why clients can't use a server's certificate, as far as the server can know (R34). Pure: the times are arguments.

Rules:

- What no client accepts is REFUSED: it is served neither from the start nor when files change. gRPC's clients are the
  measure: names, key usage (serverAuth needed where the extension is present), and the end of its life.
- A clock that nothing has confirmed refuses nothing: by such a clock an end is UNUSABLE, which is only reported. So are
  a certificate that is not valid yet (the clock may be behind), one without the host that `--listen` has (clients may
  use another name), and a chain without the certificate's issuer (clients may have it).
- NOT_TAKEN: the files have changed to what can't be used; the certificate before is served until the next start.
- NOT_RENEWED: licd's own certificate is due for a renewal, which fails; it is served on.
- NEAR_ITS_END is reported 30, 7 and 1 days before the first certificate of the chain ends.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WARNED_DAYS = (1, 7, 30)
_REPLACE = "Put a certificate that {cure} and its key in its place: no restart is needed."
_MOST_NAMES = 5


class Grade(Enum):
    """What a fault leads to; see the module."""

    REFUSED = "refused"
    UNUSABLE = "unusable"
    NOT_TAKEN = "not_taken"
    NOT_RENEWED = "not_renewed"
    NEAR_ITS_END = "near_its_end"


_TITLES = {
    Grade.REFUSED: "Clients can't use the server certificate",
    Grade.UNUSABLE: "Clients can't use the server certificate",
    Grade.NOT_TAKEN: "The new server certificate is not served",
    Grade.NOT_RENEWED: "The server certificate can't be renewed",
    Grade.NEAR_ITS_END: "The server certificate ends soon",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps clients from using a certificate, now or soon; whole sentences for people."""

    grade: Grade
    detail: str
    remedy: str

    @property
    def title(self) -> str:
        """The fault's heading."""
        return _TITLES[self.grade]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the certificate that is served. `ends`: the first end in its chain."""

    ends: datetime
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """The host that clients are to reach. `advertised`: `--advertise` names it, so all of them use it."""

    name: str
    advertised: bool


def faults(chain: Sequence[x509.Certificate], host: Host | None, now: datetime, confirmed: datetime) -> list[Fault]:
    """R34: everything that keeps clients from using a certificate, the weightiest first.

    Args:
        chain: The server's certificate, and those after it in its file.
        host: Where clients reach the server; None: nobody knows.
        now: The present time, in UTC.
        confirmed: What of it something has confirmed (R23); not later than `now`.
    """
    path = _path(chain)
    found = [*_purpose(chain[0]), *_name(chain[0], host), *_issuer(chain, path), *_life(path, now, confirmed)]
    return sorted(found, key=lambda fault: list(Grade).index(fault.grade))


def ends_at(chain: Sequence[x509.Certificate]) -> datetime:
    """When the first certificate of a chain ends."""
    return min(each.not_valid_after_utc for each in _path(chain))


def names_of(certificate: x509.Certificate) -> set[str]:
    """The host names and addresses in a certificate's subjectAltName."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` is named as the certificate's, and its key has signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _path(chain: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificate and its issuers, as far as the file has them; clients do not mind their order."""
    path, left = [chain[0]], list(chain[1:])
    while issuer := next((each for each in left if issued_by(path[-1], each)), None):
        left.remove(issuer)
        path.append(issuer)
    return path


def _purpose(certificate: x509.Certificate) -> Iterator[Fault]:
    extensions = certificate.extensions
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.SERVER_AUTH not in uses:
            yield _fault(Grade.REFUSED, "It is not for servers (extended key usage without serverAuth)", "is")
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature:
            yield _fault(Grade.REFUSED, "Its key must not sign (key usage without digitalSignature)", "may sign")
    except x509.ExtensionNotFound:
        pass


def _name(certificate: x509.Certificate, host: Host | None) -> Iterator[Fault]:
    if host is None:
        return
    names = sorted(names_of(certificate)) or _common_names(certificate)
    if any(_matches(name, host.name) for name in names):
        return
    held = ", ".join(names[:_MOST_NAMES]) or "none"
    option = "--advertise" if host.advertised else "--listen"
    yield Fault(
        Grade.REFUSED if host.advertised else Grade.UNUSABLE,
        f"It does not hold the name {host.name} of {option}; its names: {held}",
        f"Advertise a name that it holds (--advertise NAME:PORT), or replace it by a certificate for {host.name}.",
    )


def _common_names(certificate: x509.Certificate) -> list[str]:
    """What gRPC's clients compare with where there is no subjectAltName."""
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _matches(name: str, host: str) -> bool:
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    except ValueError:
        pass
    head, _, rest = host.partition(".")
    return name == host or (name == f"*.{rest}" and bool(head and rest))


def _issuer(chain: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> Iterator[Fault]:
    if len(chain) > 1 and len(path) == 1:
        issuer = chain[0].issuer.rfc4514_string()
        yield Fault(
            Grade.UNUSABLE,
            f"Its chain does not verify: {issuer} has issued it, and no certificate after it in the file is that one",
            "Append the certificates of its issuers to the file, and remove others: no restart is needed.",
        )
    for each in path[1:]:
        if not _may_issue(each):
            detail = f"Its chain does not verify: {each.subject.rfc4514_string()} is not a certificate authority"
            yield _fault(Grade.UNUSABLE, detail, "an authority has issued")


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _life(path: Sequence[x509.Certificate], now: datetime, confirmed: datetime) -> Iterator[Fault]:
    for each in path:
        which = "It" if each is path[0] else f"{each.subject.rfc4514_string()} in its chain"
        begin, end = each.not_valid_before_utc, each.not_valid_after_utc
        if now < begin:
            detail = f"{which} is not valid before {_utc(begin)}, by this machine's clock"
            yield Fault(Grade.UNUSABLE, detail, "If the clock is right, replace the certificate; else set the clock.")
        elif confirmed >= end:
            yield _fault(Grade.REFUSED, f"{which} ended at {_utc(end)}", "is valid")
        elif now >= end:
            yield Fault(
                Grade.UNUSABLE,
                f"{which} ended at {_utc(end)}, by a clock that nothing has confirmed",
                "If the clock is right, replace the certificate: no restart is needed; else set the clock.",
            )
        elif days := next((days for days in WARNED_DAYS if end - now <= timedelta(days=days)), None):
            within = "a day" if days == 1 else f"{days} days"
            yield _fault(Grade.NEAR_ITS_END, f"{which} ends within {within}, at {_utc(end)}", "is valid for longer")


def _fault(grade: Grade, detail: str, cure: str) -> Fault:
    return Fault(grade, detail, _REPLACE.format(cure=cure))


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
