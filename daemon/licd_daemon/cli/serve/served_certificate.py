"""Looks after the certificate that a daemon serves with: what is wrong is reported, what is due is renewed (R34).

- Every 2 s the files and the clock are looked at, in a thread: a slow disk stops nothing. Each change of what is wrong
  is one line in the log; the standing is what `licd check`, the metrics and the console report.
- Files that no client could use are not taken when they change: the certificate before stays, and that is reported.
- The daemon's own certificate is renewed every 10 s if it is due.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import structlog
from cryptography import x509

from licd_daemon.cli.serve.tls import TlsFiles, TlsInvalid, Watch, read_chain
from licd_daemon.operations.certificate_check import Fault, Grade, Host, Standing, ends_at, faults

LOOK_S = 2.0
LOOKS_PER_RENEWAL = 5

_EVENTS = {
    Grade.NEAR_ITS_END: "certificate_near_its_end",
    Grade.NOT_TAKEN: "certificate_not_reloaded",
    Grade.NOT_RENEWED: "certificate_not_renewed",
}
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Times(NamedTuple):
    """The present time, and what of it something has confirmed (R23), in UTC."""

    now: datetime
    confirmed: datetime


class ServedCertificate:
    """The certificate of this daemon's ports, each of which follows a `watch`. `standing`: replaced whole by each look.

    Raises:
        TlsInvalid: As the files are now, they can't be used.
    """

    def __init__(self, files: TlsFiles, host: Host | None, times: Times) -> None:
        self._files = dataclasses.replace(files, accept=self._accept)
        self._host = host
        self._times = times
        self._chain = Watch(self._files, read_chain)
        self._watches: list[Watch[Any]] = [self._chain]
        self._renewal_trouble = ""
        self.standing = self._judged()
        _log_changes((), self.standing.faults)

    def watch(self, load: Callable[[TlsFiles], T], client_ca: Path | None = None) -> Watch[T]:
        """What a port follows. Each look is for all ports, so that what is reported is what every port serves.

        Raises:
            TlsInvalid: As the files are now, they can't be used.
        """
        watch = Watch(dataclasses.replace(self._files, client_ca=client_ca), load)
        self._watches.append(watch)
        return watch

    async def follow(
        self, clock: Callable[[], Times], renew: Callable[[Times], None] | None, changed: Callable[[], None]
    ) -> None:
        """Look until it is cancelled.

        Args:
            clock: The times, asked in the loop's thread.
            renew: Renews the daemon's own certificate if that is due; raises TlsInvalid; None: it was given.
            changed: Called when the standing has changed.
        """
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            looks += 1
            # Whole and at once: other threads judge by them when a connection comes.
            self._times = clock()
            if renew is not None and looks % LOOKS_PER_RENEWAL == 0:
                await asyncio.to_thread(self._renew, renew)
            served, before = self._chain.loaded, self.standing
            self.standing = await asyncio.to_thread(self._look)
            if self._chain.loaded is not served:
                log.info("certificate_reloaded", path=str(self._files.certificate))
            if self.standing != before:
                _log_changes(before.faults, self.standing.faults)
                changed()

    def _look(self) -> Standing:
        for watch in self._watches:
            watch.look()
        return self._judged()

    def _judged(self) -> Standing:
        served = self._chain.loaded
        troubles = dict.fromkeys(watch.trouble.rstrip(".") for watch in self._watches if watch.trouble)
        not_taken = [Fault(Grade.NOT_TAKEN, each, "Until then the files before are served.") for each in troubles]
        if self._renewal_trouble:
            not_taken.append(Fault(Grade.NOT_RENEWED, self._renewal_trouble, "Until its end the one before is served."))
        return Standing(ends_at(served), (*not_taken, *faults(served, self._host, *self._times)))

    def _accept(self, chain: Sequence[x509.Certificate]) -> None:
        for fault in faults(chain, self._host, *self._times):
            if fault.grade is Grade.REFUSED:
                raise TlsInvalid(f"{self._files.certificate} can't be used by clients. {fault.detail}. {fault.remedy}")

    def _renew(self, renew: Callable[[Times], None]) -> None:
        try:
            renew(self._times)
            self._renewal_trouble = ""
        except TlsInvalid as error:
            self._renewal_trouble = str(error)


def warnings_of(certificate: ServedCertificate | None) -> Sequence[Fault]:
    """What is wrong with a certificate now; None: there is no TLS, so nothing."""
    return certificate.standing.faults if certificate is not None else ()


def standing_of(certificate: ServedCertificate | None) -> Callable[[], Standing] | None:
    """Ask for a certificate's standing at that instant; None: there is no TLS."""
    return (lambda: certificate.standing) if certificate is not None else None


def _log_changes(before: Sequence[Fault], after: Sequence[Fault]) -> None:
    for fault in after:
        if fault not in before:
            tell = log.warning if fault.grade is Grade.NEAR_ITS_END else log.error
            tell(_EVENTS.get(fault.grade, "certificate_not_usable"), cause=fault.detail, remedy=fault.remedy)
    if before and not after:
        log.info("certificate_usable")
