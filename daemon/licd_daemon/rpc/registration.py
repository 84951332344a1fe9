"""RegistrationService: the license, the challenge and the code."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from licd.v1 import registration_service_pb2 as pb
from licd.v1 import registration_service_pb2_grpc as pb_grpc
from licd_daemon.certificate_check import Fault
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.publication import NEWS_PAUSE_S
from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.model import State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.operations import fields
from licd_daemon.operations.challenges import Registrar
from licd_daemon.operations.fields import invalid_field
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import (
    AUTH_METHOD,
    challenge_message,
    effect_message,
    failure_message,
    leader_message,
    registration_message,
)


class RegistrationService(pb_grpc.RegistrationServiceServicer):
    """See registration_service.proto."""

    def __init__(
        self,
        coordinator: Coordinator,
        registrar: Registrar,
        *,
        advertise: str,
        recovery_window_ms: int,
        warnings: Callable[[], Sequence[Fault]] = tuple,
    ) -> None:
        """`warnings`: what is wrong with the server's certificate at an instant."""
        self._coordinator = coordinator
        self._registrar = registrar
        self._advertise = advertise
        self._recovery_window_ms = recovery_window_ms
        self._warnings = warnings

    def _registration(self, state: State) -> pb.Registration:
        leader = leader_message(self._advertise, self._coordinator.state.epoch, self._coordinator.since)
        writable, now = self._coordinator.writable, self._coordinator.now()
        window, warnings = self._recovery_window_ms, self._warnings()
        return registration_message(state, now, leader, window, writable=writable, warnings=warnings)

    async def GetRegistration(self, request: pb.GetRegistrationRequest, context: Context) -> pb.GetRegistrationResponse:
        """The registration as it stands."""
        return pb.GetRegistrationResponse(registration=self._registration(self._coordinator.standing()))

    async def WatchRegistration(
        self, request: pb.WatchRegistrationRequest, context: Context
    ) -> AsyncIterator[pb.WatchRegistrationResponse]:
        """Now, then at each change."""
        last = None
        while True:
            changed = self._coordinator.publication.watchers.next_change()
            current = self._registration(self._coordinator.standing())
            if current != last:
                last = current
                yield pb.WatchRegistrationResponse(registration=current)
            await changed.wait()
            await asyncio.sleep(NEWS_PAUSE_S)

    async def UploadLicense(self, request: pb.UploadLicenseRequest, context: Context) -> pb.UploadLicenseResponse:
        """Takes a Container.lic, or tells what it would change."""
        method = AUTH_METHOD.get(request.auth_method)
        if method is None:
            raise invalid_field("auth_method", "is not set or unknown", "Choose AUTH_METHOD_LOCAL_CONTAINER.")
        if request.dry_run:
            state, effect = self._registrar.try_upload(request.content, method)
        else:
            state, effect = await self._registrar.upload(request.content, method, replace=request.replace)
        return pb.UploadLicenseResponse(registration=self._registration(state), effect=effect_message(effect))

    async def CreateChallenge(self, request: pb.CreateChallengeRequest, context: Context) -> pb.CreateChallengeResponse:
        """Draws a fresh challenge."""
        created, pictures = await self._registrar.create()
        challenge = challenge_message(created, self._coordinator.now())
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
        state = self._coordinator.standing()
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
