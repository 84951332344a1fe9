"""RegistrationService: the license, the challenge and the code."""

import secrets
from collections.abc import AsyncIterator

import structlog

from licd.v1 import registration_service_pb2 as pb
from licd.v1 import registration_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator import Coordinator
from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.model import Failure, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.formats.container_lic import LicenseInvalid, LicenseTypeMismatch, verify
from licd_daemon.formats.license import License
from licd_daemon.formats.vendor_keys import VendorKeys
from licd_daemon.registrar import Registrar
from licd_daemon.rpc import fields
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import (
    AUTH_METHOD,
    challenge_message,
    failure_message,
    registration_message,
    timestamp,
)
from licd_daemon.rpc.errors import invalid_field

log = structlog.get_logger(__name__)


class RegistrationService(pb_grpc.RegistrationServiceServicer):
    """See registration_service.proto. `vendor_keys`: those that this daemon pins (R1)."""

    def __init__(
        self,
        coordinator: Coordinator,
        registrar: Registrar,
        vendor_keys: VendorKeys,
        *,
        advertise: str,
        recovery_window_ms: int,
    ) -> None:
        self._coordinator = coordinator
        self._registrar = registrar
        self._vendor_keys = vendor_keys
        self._advertise = advertise
        self._recovery_window_ms = recovery_window_ms

    def _registration(self, state: State) -> pb.Registration:
        leader = leader_message(self._coordinator, self._advertise)
        return registration_message(state, self._coordinator.now(), leader, self._recovery_window_ms)

    async def GetRegistration(self, request: pb.GetRegistrationRequest, context: Context) -> pb.GetRegistrationResponse:
        """The registration as it stands."""
        return pb.GetRegistrationResponse(registration=self._registration(self._standing()))

    def _standing(self) -> State:
        """The durable state, if this daemon may speak for the cluster (R31)."""
        return standing(self._coordinator)

    async def WatchRegistration(
        self, request: pb.WatchRegistrationRequest, context: Context
    ) -> AsyncIterator[pb.WatchRegistrationResponse]:
        """Now, then at each change."""
        last = None
        while True:
            changed = self._coordinator.publication.watchers.next_change()
            current = self._registration(self._standing())
            if current != last:
                last = current
                yield pb.WatchRegistrationResponse(registration=current)
            await changed.wait()

    async def UploadLicense(self, request: pb.UploadLicenseRequest, context: Context) -> pb.UploadLicenseResponse:
        """Takes a Container.lic."""
        method = AUTH_METHOD.get(request.auth_method)
        if method is None:
            raise invalid_field("auth_method", "is not set or unknown", "Choose AUTH_METHOD_LOCAL_CONTAINER.")
        license = self._verified(request.content)
        state = await self._coordinator.submit(c.UploadLicense(license, method, secrets.token_hex(16)))
        return pb.UploadLicenseResponse(registration=self._registration(state))

    def _verified(self, content: bytes) -> License | Failure:
        try:
            return verify(content, self._vendor_keys)
        except LicenseTypeMismatch as error:
            log.warning("license_refused", cause=str(error))
            return checks.certificate_type_mismatch()
        except LicenseInvalid as error:
            log.warning("license_refused", cause=str(error))
            return checks.certificate_content_incorrect()

    async def CreateChallenge(self, request: pb.CreateChallengeRequest, context: Context) -> pb.CreateChallengeResponse:
        """Draws a fresh challenge."""
        state, pictures = await self._registrar.create()
        if state.challenge is None:
            raise Refused(Reason.CHALLENGE_EXPIRED, "The license has changed meanwhile: draw the QR again.")
        challenge = challenge_message(state.challenge, self._coordinator.now())
        challenge.qr_png, challenge.qr_svg, challenge.qr_text = pictures.png, pictures.svg, pictures.text
        return pb.CreateChallengeResponse(challenge=challenge)

    async def SubmitCode(self, request: pb.SubmitCodeRequest, context: Context) -> pb.SubmitCodeResponse:
        """Registers the cluster with the six digits."""
        challenge_id = fields.text("challenge_id", request.challenge_id, 64)
        state = await self._registrar.submit(challenge_id, fields.code(request.code))
        return pb.SubmitCodeResponse(registration=self._registration(state))

    async def CheckRegistration(
        self, request: pb.CheckRegistrationRequest, context: Context
    ) -> pb.CheckRegistrationResponse:
        """Everything that would block a registration now."""
        state = self._standing()
        if state.license is None:
            raise Refused(Reason.NO_LICENSE, "No license was uploaded: upload Container.lic first.")
        failures = checks.blocking(state, self._coordinator.now())
        return pb.CheckRegistrationResponse(failures=[failure_message(failure) for failure in failures])

    async def ResetRegistration(
        self, request: pb.ResetRegistrationRequest, context: Context
    ) -> pb.ResetRegistrationResponse:
        """Ends the registration and every seat."""
        state = await self._coordinator.submit(c.ResetRegistration())
        return pb.ResetRegistrationResponse(registration=self._registration(state))

    async def ReleaseLicense(self, request: pb.ReleaseLicenseRequest, context: Context) -> pb.ReleaseLicenseResponse:
        """Gives the license back."""
        state, pictures = await self._registrar.release()
        return pb.ReleaseLicenseResponse(
            registration=self._registration(state),
            qr_png=pictures.png,
            qr_svg=pictures.svg,
            qr_text=pictures.text,
        )


def standing(coordinator: Coordinator) -> State:
    """The durable state, for those who may be answered now.

    Raises:
        Refused: NOT_LEADER: this daemon can't prove that it leads, and what it knows may be stale (R31).
    """
    if not coordinator.leads():
        raise Refused(Reason.NOT_LEADER, "This daemon can't prove that it leads: ask again, or ask another.")
    return coordinator.state


def leader_message(coordinator: Coordinator, advertise: str) -> pb.Leader:
    """This daemon, which leads."""
    return pb.Leader(address=advertise, epoch=coordinator.state.epoch, since=timestamp(coordinator.since))
