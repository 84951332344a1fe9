"""What an administrator does, over raw gRPC."""

from typing import Any

from licd.v1 import node_service_pb2
from licd.v1 import registration_service_pb2 as pb
from support.daemon import Stubs
from support.vendor import TestVendor

LOCAL_CONTAINER = pb.AUTH_METHOD_LOCAL_CONTAINER


class Admin:
    """An administrator with a phone that reaches `vendor`."""

    def __init__(self, stubs: Stubs, vendor: TestVendor) -> None:
        self.stubs = stubs
        self.vendor = vendor

    def registration(self) -> pb.Registration:
        """The registration."""
        return self.stubs.registration.GetRegistration(pb.GetRegistrationRequest()).registration

    @property
    def state(self) -> str:
        """The registration's state, such as REGISTERED."""
        return pb.RegistrationState.Name(self.registration().state).removeprefix("REGISTRATION_STATE_")

    def upload(self, content: bytes, auth_method: Any = LOCAL_CONTAINER, *, replace: bool = False) -> pb.Registration:
        """Uploads a license."""
        request = pb.UploadLicenseRequest(content=content, auth_method=auth_method, replace=replace)
        return self.stubs.registration.UploadLicense(request).registration

    def try_upload(self, content: bytes) -> pb.UploadLicenseResponse:
        """Asks what an upload would change."""
        request = pb.UploadLicenseRequest(content=content, auth_method=LOCAL_CONTAINER, dry_run=True)
        return self.stubs.registration.UploadLicense(request)

    def challenge(self) -> pb.Challenge:
        """Draws a QR."""
        return self.stubs.registration.CreateChallenge(pb.CreateChallengeRequest()).challenge

    def submit(self, challenge: pb.Challenge, code: str) -> pb.Registration:
        """Types a code."""
        request = pb.SubmitCodeRequest(challenge_id=challenge.challenge_id, code=code)
        return self.stubs.registration.SubmitCode(request).registration

    def register(self) -> pb.Registration:
        """Draws a QR, scans it, types the code."""
        challenge = self.challenge()
        return self.submit(challenge, self.vendor.code(challenge.url))

    def wrong_code(self, challenge: pb.Challenge) -> str:
        """Six digits that are not the challenge's."""
        return f"{(int(self.vendor.code(challenge.url)) + 1) % 10**6:06d}"

    def nodes(self) -> dict[str, str]:
        """The nodes in sight, by name, with their states."""
        from licd.v1 import cluster_service_pb2

        nodes = self.stubs.cluster.ListNodes(cluster_service_pb2.ListNodesRequest(page_size=1000)).nodes
        return {node.name: node_service_pb2.NodeState.Name(node.state).removeprefix("NODE_STATE_") for node in nodes}
