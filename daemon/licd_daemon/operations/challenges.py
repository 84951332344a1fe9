"""The challenge's flow around the core: digits, sealing, pictures, and the comparison of codes (R6-R9, R30).

- Six random digits are chosen, sealed to the portal's key, and forgotten; an Argon2id verifier stays, in memory only.
- Codes are compared one at a time, in constant time, after the attempt is durable, and to the end even if the caller
  has gone away: an attempt that was counted is always settled.
- A right code says that the portal has found the time in its challenge true (R24): that settles a doubt about the
  clock, before what stands in the way of a registration is judged (R23).
"""

import asyncio
import base64
import secrets

import structlog
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.leader_clock import LeaderClock
from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.decide_registration import refuse_challenge
from licd_daemon.core.decide_upload import try_upload
from licd_daemon.core.effect import effect_of
from licd_daemon.core.model import Actor, Challenge, Failure, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.upload_effect import Effect
from licd_daemon.engine.codes import Codes, Verifier
from licd_daemon.operations.qr import Pictures, draw
from licd_formats.challenge import NO_PREDECESSOR, RELEASE_CODE, Purpose, SealedContent, seal, url_of
from licd_formats.container_lic import LicenseInvalid, LicenseTypeMismatch
from licd_formats.file_kinds import named
from licd_formats.license import License
from licd_formats.license_file import read, tidied
from licd_formats.vendor_keys import VendorKeys
from licd_kit.clock import wall_ms

log = structlog.get_logger(__name__)

_MEMORY_KIB = 64 * 1024


def _stretch(code: str, salt: bytes) -> bytes:
    return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=_MEMORY_KIB).derive(code.encode())


class Challenges:
    """Takes licenses, creates challenges and takes codes. `vendor_keys`: what this daemon pins (R1), to be replaced."""

    def __init__(self, coordinator: Coordinator, vendor_keys: VendorKeys, leader_clock: LeaderClock) -> None:
        self._coordinator = coordinator
        self._leader_clock = leader_clock
        self.vendor_keys = vendor_keys
        self._codes = Codes()
        self._one_at_a_time = asyncio.Lock()
        self._one_stretched = asyncio.Lock()

    async def upload(
        self, content: bytes, auth_method: str, actor: Actor, *, replace: bool = False
    ) -> tuple[State, Effect]:
        """Take a Container.lic (R1, R2); which fault a refused one has is in the log only.

        Returns:
            The state after the upload, and what it has changed, as of its arrival.

        Raises:
            Refused: LICENSE_REFUSED, LICENSE_OLDER, SEATS_IN_USE, WOULD_END_REGISTRATION (unless `replace`), or what
                the coordinator raises.
        """
        license = self._verified(content)
        before, now = self._coordinator.state, self._coordinator.now()
        kept = tidied(content) if isinstance(license, License) else ""
        command = c.UploadLicense(license, auth_method, secrets.token_hex(16), replace, kept, actor=actor)
        after = await self._coordinator.submit(command)
        assert isinstance(license, License)  # a failure was refused
        return after, effect_of(before, license, now)

    def try_upload(self, content: bytes, auth_method: str) -> tuple[State, Effect]:
        """What an upload that says `replace` would change; nothing happens, and no event records it (R2).

        Raises:
            Refused: LICENSE_REFUSED, LICENSE_OLDER, SEATS_IN_USE, as the upload would be; NOT_LEADER.
        """
        state = self._coordinator.standing()
        return state, try_upload(state, self._verified(content), auth_method, self._coordinator.now())

    def _verified(self, content: bytes) -> License | Failure:
        try:
            return read(content, self.vendor_keys)
        except LicenseTypeMismatch as error:
            log.warning("license_refused", cause=str(error))
            return checks.certificate_type_mismatch()
        except LicenseInvalid as error:
            found = named(content)
            log.warning("license_refused", cause=str(error), file=found)
            return checks.certificate_content_incorrect(found)

    async def create(self, actor: Actor) -> tuple[Challenge, Pictures]:
        """Create a fresh challenge; it is the state's from then on, even if the caller has gone away meanwhile.

        Raises:
            Refused: NO_LICENSE, LOCKED_OUT, REGISTRATION_REFUSED, or what the coordinator raises.
        """
        return await asyncio.shield(asyncio.create_task(self._create(actor)))

    async def _create(self, actor: Actor) -> tuple[Challenge, Pictures]:
        state = self._coordinator.state
        refuse_challenge(state, self._coordinator.now())
        assert state.license is not None
        code, challenge_id = f"{secrets.randbelow(10**6):06d}", secrets.token_bytes(8)
        sealed_wall, sealed_run = wall_ms(), self._coordinator.now().run
        url = _sealed_url(state, state.license, challenge_id, code, Purpose.REGISTER, sealed_wall)
        salt = secrets.token_bytes(16)
        async with self._one_stretched:  # 64 MiB each (R36)
            digest = await asyncio.to_thread(_stretch, code, salt)
        pictures = await asyncio.to_thread(draw, url)
        async with self._one_at_a_time:
            command = c.CreateChallenge(challenge_id.hex(), state.license.license_id, url, actor=actor)
            after = await self._coordinator.submit(command)
            self._codes.keep(Verifier(challenge_id.hex(), sealed_wall, sealed_run, salt, digest))
        if after.challenge is None:
            raise Refused(Reason.CHALLENGE_EXPIRED, "The license has changed meanwhile: create a fresh QR.")
        return after.challenge, pictures

    async def submit(self, challenge_id: str, code: str, actor: Actor) -> State:
        """Compare a code and register the cluster.

        Raises:
            Refused: see `RegistrationService.SubmitCode`.
        """
        return await asyncio.shield(asyncio.create_task(self._submit(challenge_id, code, actor)))

    async def _submit(self, challenge_id: str, code: str, actor: Actor) -> State:
        async with self._one_at_a_time:
            if self._codes.repeats(self._coordinator.state, challenge_id, self._coordinator.now()):
                self._codes.settle_repeat(right=await self._compare(challenge_id, code) is not None)
                return self._coordinator.state
            await self._coordinator.submit(c.AttemptCode(challenge_id, actor=actor))
            matched = await self._compare(challenge_id, code)
            if matched is not None:
                instant_ms = matched.confirmed_wall(self._coordinator.now().run)
                await self._leader_clock.confirm_by_code(instant_ms, actor)
            return await self._coordinator.submit(c.SettleCode(challenge_id, matched is not None, actor=actor))

    async def _compare(self, challenge_id: str, code: str) -> Verifier | None:
        """The verifier that the code matches; None: the code is wrong. Takes 0.1 s, off the loop."""
        verifier = self._codes.verifier(challenge_id)
        if verifier is None:
            return None
        stretched = await asyncio.to_thread(_stretch, code, verifier.salt)
        return verifier if verifier.matches(stretched) else None

    async def release(self, actor: Actor) -> tuple[State, Pictures]:
        """Seal a release and give the license back (R30); repeating it gives the same release.

        Raises:
            Refused: NO_LICENSE, or what the coordinator raises.
        """
        state = self._coordinator.state
        if state.license is not None:
            url = _sealed_url(state, state.license, secrets.token_bytes(8), RELEASE_CODE, Purpose.RELEASE, wall_ms())
            state = await self._coordinator.submit(c.ReleaseLicense(state.license.license_id, url, actor=actor))
        if state.release is None:
            raise Refused(Reason.NO_LICENSE, "No license was uploaded: there is nothing to release.")
        return state, await asyncio.to_thread(draw, state.release.url)


def _sealed_url(
    state: State, license: License, challenge_id: bytes, code: str, purpose: Purpose, sealed_wall: int
) -> str:
    """What the QR leads to. The time, in ms, is the machine's own clock: the portal judges it (R24)."""
    assert state.project_key is not None
    content = SealedContent(
        license_id=license.license_id,
        project_key=bytes.fromhex(state.project_key),
        challenge_id=challenge_id,
        created_at=sealed_wall // 1000,
        predecessor=bytes.fromhex(state.predecessor) if state.predecessor else NO_PREDECESSOR,
        node_count=state.tally.live,
        code=code,
    )
    key = base64.urlsafe_b64decode(license.portal.public_key + "=")
    return url_of(license.portal.url, seal(content, key, purpose), purpose)
