"""Which codes can be judged, and what a code that comes again is answered (R8, R9).

The digits themselves are forgotten.
"""

import hmac
from dataclasses import dataclass

from licd_daemon.core.decide_registration import challenge_expired, locked_out
from licd_daemon.core.model import ChallengeState, Now, State


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept of the digits, in memory only.

    `sealed_wall`: the time in the challenge, in ms; `sealed_run`: the run's time then; `digest`: the stretched code.
    """

    challenge_id: str
    sealed_wall: int
    sealed_run: int
    salt: bytes
    digest: bytes

    def matches(self, stretched: bytes) -> bool:
        """Compare a code that was stretched with the same salt, in constant time."""
        return hmac.compare_digest(stretched, self.digest)

    def confirmed_wall(self, run: int) -> int:
        """What a right code says of the time at `run`, in ms: the portal has found the challenge's true (R24)."""
        return self.sealed_wall + run - self.sealed_run


class Codes:
    """The verifier of the latest challenge."""

    def __init__(self) -> None:
        self._verifier: Verifier | None = None

    def keep(self, verifier: Verifier) -> None:
        """Its challenge is in force: codes are compared with this one from now on."""
        self._verifier = verifier

    def verifier(self, challenge_id: str) -> Verifier | None:
        """What codes for this challenge are compared with; None: none can be right."""
        verifier = self._verifier
        return verifier if verifier is not None and verifier.challenge_id == challenge_id else None

    def repeats(self, state: State, challenge_id: str, now: Now) -> bool:
        """Whether a code for this challenge can but repeat an accepted one; then nothing is counted (R8).

        Raises:
            Refused: LOCKED_OUT, for a repeated one. CHALLENGE_EXPIRED: the challenge, whose append had an unknown
                outcome, is in force without a verifier, so no code can be right.
        """
        challenge = state.challenge
        if challenge is None or challenge.challenge_id != challenge_id:
            return False
        if challenge.used:
            if state.lockout.left_ms(now):
                raise locked_out(state, now)
            return True
        if self.verifier(challenge_id) is None:
            raise challenge_expired(ChallengeState.EXPIRED)
        return False

    def settle_repeat(self, *, right: bool) -> None:
        """A used challenge takes its accepted code again, which changes nothing, and no other (R8).

        Raises:
            Refused: CHALLENGE_EXPIRED.
        """
        if not right:
            raise challenge_expired(ChallengeState.USED)
