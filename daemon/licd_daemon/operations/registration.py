"""What administrators and viewers do with the registration, through whichever door (R2, R6-R9, R30).

Values in, values or `Refused` out. Who may do what is the doors' matter, and so is how it is shown.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.news import NEWS_PAUSE_S
from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.decide_registration import license_of
from licd_daemon.core.model import Actor, Challenge, Failure, Now, State
from licd_daemon.core.upload_effect import Effect
from licd_daemon.operations import fields
from licd_daemon.operations.budget_check import BudgetCheck
from licd_daemon.operations.challenges import Challenges
from licd_daemon.operations.qr import Pictures


class Warned(Protocol):
    """Something that stops no registration and needs attention; whole sentences for people."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def detail(self) -> str:
        """What is found."""

    @property
    def remedy(self) -> str:
        """What to do."""


class Leader(NamedTuple):
    """The daemon that leads: its advertised address, its epoch, and the wall time in ms since when it leads."""

    address: str
    epoch: int
    since: int


class Registration(NamedTuple):
    """The registration at one instant.

    `writable`: whether the journal can be written; `position`: the journal's; `warnings`: what is wrong with the
    server's certificate, or with this machine, and which budgets are used up or nearly so (R34, R36).
    """

    state: State
    now: Now
    leader: Leader
    recovery_window_ms: int
    writable: bool
    position: int
    warnings: Sequence[Warned]


class Drawn(NamedTuple):
    """A fresh challenge at the instant of its drawing, and its pictures."""

    challenge: Challenge
    now: Now
    pictures: Pictures


class RegistrationOperations:
    """The operations.

    `advertise`: this daemon's address as others reach it; `warnings`: asked at each answer.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        challenges: Challenges,
        *,
        advertise: str,
        recovery_window_ms: int,
        warnings: Callable[[], Sequence[Warned]],
    ) -> None:
        self._coordinator = coordinator
        self._challenges = challenges
        self._advertise = advertise
        self._recovery_window_ms = recovery_window_ms
        self._warnings = warnings
        self._budgets = BudgetCheck(coordinator)

    def _at(self, state: State) -> Registration:
        coordinator = self._coordinator
        return Registration(
            state,
            coordinator.now(),
            Leader(self._advertise, coordinator.state.epoch, coordinator.since),
            self._recovery_window_ms,
            coordinator.writable,
            coordinator.position,
            [*self._warnings(), *self._budgets.warnings()],
        )

    def current(self) -> Registration:
        """The registration as it stands.

        Raises:
            Refused: NOT_LEADER.
        """
        return self._at(self._coordinator.standing())

    def latest(self) -> Registration:
        """The newest, whether or not this daemon still leads: state and position are of one instant."""
        return self._at(self._coordinator.state)

    async def follow(self) -> AsyncIterator[Registration]:
        """The registration now, then whenever something has changed.

        Raises:
            Refused: NOT_LEADER.
        """
        while True:
            changed = self._coordinator.news.next_change()
            yield self.current()
            await changed.wait()
            await asyncio.sleep(NEWS_PAUSE_S)

    async def upload(
        self, content: bytes, auth_method: str, actor: Actor, *, dry_run: bool, replace: bool
    ) -> tuple[Registration, Effect]:
        """Take a Container.lic, or only find out what it would change; `replace` goes on at any price (R2).

        Raises:
            Refused: see `Challenges.upload` and `Challenges.try_upload`.
        """
        if dry_run:
            state, effect = self._challenges.try_upload(content, auth_method)
        else:
            state, effect = await self._challenges.upload(content, auth_method, actor, replace=replace)
        return self._at(state), effect

    async def create_challenge(self, actor: Actor) -> Drawn:
        """Create a fresh challenge.

        Raises:
            Refused: see `Challenges.create`.
        """
        challenge, pictures = await self._challenges.create(actor)
        return Drawn(challenge, self._coordinator.now(), pictures)

    async def submit_code(self, challenge_id: str, code: str, actor: Actor) -> Registration:
        """Register the cluster with the six digits.

        Raises:
            Refused: INVALID_FIELD, or see `Challenges.submit`.
        """
        challenge_id = fields.text("challenge_id", challenge_id, 64)
        return self._at(await self._challenges.submit(challenge_id, fields.code(code), actor))

    def blocking(self) -> tuple[Failure, ...]:
        """Everything that would block a registration now; nothing while there is no license.

        Raises:
            Refused: NOT_LEADER.
        """
        return checks.blocking(self._coordinator.standing(), self._coordinator.now())

    def check(self) -> tuple[Failure, ...]:
        """Everything that would block a registration now.

        Raises:
            Refused: NO_LICENSE, NOT_LEADER.
        """
        license_of(self._coordinator.standing())
        return self.blocking()

    async def reset(self, actor: Actor) -> Registration:
        """End the registration and every seat.

        Raises:
            Refused: what the coordinator raises.
        """
        return self._at(await self._coordinator.submit(c.ResetRegistration(actor=actor)))

    async def release(self, actor: Actor) -> tuple[Registration, Pictures]:
        """Give the license back (R30).

        Raises:
            Refused: see `Challenges.release`.
        """
        state, pictures = await self._challenges.release(actor)
        return self._at(state), pictures
