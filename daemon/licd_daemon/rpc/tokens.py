"""TokenService: the bearer tokens of the roles (R35)."""

from licd.v1 import token_service_pb2 as pb
from licd.v1 import token_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.operations import fields
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.tokens import hash_token, new_token, new_token_id
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import ROLE, token_message

_ROLES = {pb.Role.Value(name): role for role, name in ROLE.items()}


class TokenService(pb_grpc.TokenServiceServicer):
    """See token_service.proto."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.CreateTokenResponse:
        """Makes a token, which is shown here and kept nowhere."""
        role = _ROLES.get(request.role)
        if role is None:
            raise invalid_field("role", "is not set or unknown", "Choose ROLE_ADMIN, ROLE_VIEWER or ROLE_NODE.")
        secret, made = new_token(), new_token_id()
        command = c.CreateToken(made, role, fields.text("name", request.name, 128, least=0), hash_token(secret))
        state = await self._coordinator.submit(command)
        return pb.CreateTokenResponse(token=token_message(state.tokens[made]), secret=secret)

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        """The tokens in force."""
        in_force = (token for token in self._coordinator.standing().tokens.values() if not token.revoked)
        tokens = sorted(in_force, key=lambda token: token.created_at)
        return pb.ListTokensResponse(tokens=[token_message(token) for token in tokens])

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Context) -> pb.RevokeTokenResponse:
        """Ends a token."""
        await self._coordinator.submit(c.RevokeToken(fields.text("token_id", request.token_id, 64)))
        return pb.RevokeTokenResponse()
