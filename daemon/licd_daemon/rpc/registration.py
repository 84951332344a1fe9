"""RegistrationService: the license, the challenge and the code."""

from collections.abc import AsyncIterator

from licd.v1 import registration_service_pb2 as pb
from licd.v1 import registration_service_pb2_grpc as pb_grpc
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.registration import RegistrationOperations
from licd_daemon.rpc.caller import caller, may_scan
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import (
    AUTH_METHOD,
    challenge_message,
    effect_message,
    failure_message,
    registration_message,
)


class RegistrationService(pb_grpc.RegistrationServiceServicer):
    """See registration_service.proto."""

    def __init__(self, operations: RegistrationOperations) -> None:
        self._operations = operations

    async def GetRegistration(self, request: pb.GetRegistrationRequest, context: Context) -> pb.GetRegistrationResponse:
        """The registration as it stands."""
        return pb.GetRegistrationResponse(
            registration=registration_message(self._operations.current(), scan=may_scan())
        )

    async def WatchRegistration(
        self, request: pb.WatchRegistrationRequest, context: Context
    ) -> AsyncIterator[pb.WatchRegistrationResponse]:
        """Now, then at each change."""
        last = None
        async for shown in self._operations.follow():
            current = registration_message(shown, scan=may_scan())
            if current != last:
                last = current
                yield pb.WatchRegistrationResponse(registration=current)

    async def UploadLicense(self, request: pb.UploadLicenseRequest, context: Context) -> pb.UploadLicenseResponse:
        """Take a Container.lic, or report what it would change."""
        method = AUTH_METHOD.get(request.auth_method)
        if method is None:
            raise invalid_field("auth_method", "is not set or unknown", "Choose AUTH_METHOD_LOCAL_CONTAINER.")
        shown, effect = await self._operations.upload(
            request.content, method, caller(), dry_run=request.dry_run, replace=request.replace
        )
        return pb.UploadLicenseResponse(registration=registration_message(shown), effect=effect_message(effect))

    async def CreateChallenge(self, request: pb.CreateChallengeRequest, context: Context) -> pb.CreateChallengeResponse:
        """Create a fresh challenge."""
        drawn = await self._operations.create_challenge(caller())
        challenge, pictures = challenge_message(drawn.challenge, drawn.now), drawn.pictures
        challenge.qr_png, challenge.qr_svg, challenge.qr_text = pictures.png, pictures.svg, pictures.text
        return pb.CreateChallengeResponse(challenge=challenge)

    async def SubmitCode(self, request: pb.SubmitCodeRequest, context: Context) -> pb.SubmitCodeResponse:
        """Register the cluster with the six digits."""
        shown = await self._operations.submit_code(request.challenge_id, request.code, caller())
        return pb.SubmitCodeResponse(registration=registration_message(shown))

    async def CheckRegistration(
        self, request: pb.CheckRegistrationRequest, context: Context
    ) -> pb.CheckRegistrationResponse:
        """Everything that would block a registration now."""
        return pb.CheckRegistrationResponse(failures=[failure_message(found) for found in self._operations.check()])

    async def ResetRegistration(
        self, request: pb.ResetRegistrationRequest, context: Context
    ) -> pb.ResetRegistrationResponse:
        """End the registration and every seat."""
        return pb.ResetRegistrationResponse(registration=registration_message(await self._operations.reset(caller())))

    async def ReleaseLicense(self, request: pb.ReleaseLicenseRequest, context: Context) -> pb.ReleaseLicenseResponse:
        """Give the license back."""
        shown, pictures = await self._operations.release(caller())
        return pb.ReleaseLicenseResponse(
            registration=registration_message(shown),
            qr_png=pictures.png,
            qr_svg=pictures.svg,
            qr_text=pictures.text,
        )
