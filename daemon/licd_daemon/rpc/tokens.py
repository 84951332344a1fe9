"""TokenService: the bearer tokens of the roles (R35)."""

from licd.v1 import token_service_pb2 as pb
from licd.v1 import token_service_pb2_grpc as pb_grpc
from licd_daemon.core.model import DAY_MS, Token
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.tokens import Tokens
from licd_daemon.rpc.caller import caller
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import ROLE, milliseconds_of, nanoseconds, token_message

_ROLES = {pb.Role.Value(name): role for role, name in ROLE.items()}


class TokenService(pb_grpc.TokenServiceServicer):
    """See token_service.proto."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def CreateToken(self, request: pb.CreateTokenRequest, context: Context) -> pb.CreateTokenResponse:
        """Make a token, which is shown here and kept nowhere."""
        role = _ROLES.get(request.role)
        if role is None:
            raise invalid_field(
                "role", "is not set or unknown", "Choose ROLE_ADMIN, ROLE_VIEWER, ROLE_NODE or ROLE_JOIN."
            )
        end = self._end_of(request)
        token, secret = await self._tokens.create(role, request.name, caller(), end, request.uses)
        return pb.CreateTokenResponse(token=self._shown(token), secret=secret)

    def _end_of(self, request: pb.CreateTokenRequest) -> int | None:
        match request.WhichOneof("end"):
            case "expires_in":
                return self._tokens.ends_after(milliseconds_of(request.expires_in))
            case "ends_at":
                return nanoseconds(request.ends_at) // 1_000_000
        return None

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        """The tokens in force."""
        return pb.ListTokensResponse(tokens=[self._shown(token) for token in self._tokens.in_force()])

    async def Enroll(self, request: pb.EnrollRequest, context: Context) -> pb.EnrollResponse:
        """Make a node's own token with a join token."""
        token = await self._tokens.enroll(request.node_name, request.token_hash, caller())
        return pb.EnrollResponse(token=self._shown(token))

    async def RotateToken(self, request: pb.RotateTokenRequest, context: Context) -> pb.RotateTokenResponse:
        """Give a token another secret, which is shown here and kept nowhere."""
        if request.take_back:
            token, secret = await self._tokens.take_back(request.token_id, caller()), ""
        else:
            overlap_ms = milliseconds_of(request.overlap) if request.HasField("overlap") else DAY_MS
            token, secret = await self._tokens.rotate(request.token_id, overlap_ms, caller())
        return pb.RotateTokenResponse(token=self._shown(token), secret=secret)

    def _shown(self, token: Token) -> pb.Token:
        return token_message(token, self._tokens.last_use(token), self._tokens.former_ends_at(token))

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Context) -> pb.RevokeTokenResponse:
        """End a token."""
        await self._tokens.revoke(request.token_id, caller())
        return pb.RevokeTokenResponse()
