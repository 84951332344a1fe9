"""TokenService: the bearer tokens of the roles (R35)."""

from licd.v1 import token_service_pb2 as pb
from licd.v1 import token_service_pb2_grpc as pb_grpc
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.tokens import Tokens
from licd_daemon.rpc.caller import caller
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import ROLE, token_message

_ROLES = {pb.Role.Value(name): role for role, name in ROLE.items()}


class TokenService(pb_grpc.TokenServiceServicer):
    """See token_service.proto."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.CreateTokenResponse:
        """Make a token, which is shown here and kept nowhere."""
        role = _ROLES.get(request.role)
        if role is None:
            raise invalid_field("role", "is not set or unknown", "Choose ROLE_ADMIN, ROLE_VIEWER or ROLE_NODE.")
        token, secret = await self._tokens.create(role, request.name, caller())
        return pb.CreateTokenResponse(token=token_message(token), secret=secret)

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        """The tokens in force."""
        return pb.ListTokensResponse(tokens=[token_message(token) for token in self._tokens.in_force()])

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Context) -> pb.RevokeTokenResponse:
        """End a token."""
        await self._tokens.revoke(request.token_id, caller())
        return pb.RevokeTokenResponse()
