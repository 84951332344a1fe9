"""R35: who may call what. A bearer token or a client certificate gives a role, the contract gives each method's roles.

`grpc.health.v1` alone is open. Reflection is open on loopback and wants the viewer's role elsewhere. Whatever else the
contract does not know is the admin's.
"""

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.model import Actor, Role
from licd_daemon.core.refusal import Reason, Refused, no_credentials
from licd_daemon.operations.refused_credentials import RefusedCredentials, Why
from licd_daemon.operations.tokens import hash_token
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.contract import ACCESS
from licd_daemon.rpc.peer import address_of, certificate_actor, shows_certificate, without_role

_READ = frozenset({Role.VIEWER, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})
HEALTH = "/grpc.health.v1.Health/"
_ENROLL = "/licd.v1.TokenService/Enroll"
_REFLECTION = "/grpc.reflection."


class Access:
    """Judges calls by the tokens of the coordinator's state."""

    def __init__(self, coordinator: Coordinator, refused: RefusedCredentials, *, open_reflection: bool) -> None:
        self._coordinator = coordinator
        self._refused = refused
        self._open_reflection = open_reflection

    def is_open(self, method: str) -> bool:
        """Whether `method` needs no credentials."""
        return method.startswith(HEALTH) or (self._open_reflection and method.startswith(_REFLECTION))

    @staticmethod
    def roles_for(method: str) -> frozenset[Role]:
        """The roles that may call `method`."""
        if method.startswith(_REFLECTION):
            return _READ
        access = ACCESS.get(method)
        if method == _ENROLL and access:
            return access.roles | {Role.JOIN}
        return access.roles if access else _ADMIN

    def check(self, roles: frozenset[Role], context: Context) -> Actor:
        """Let the call pass, or not; and who makes it.

        Raises:
            Refused: NO_CREDENTIALS for unknown or missing ones, WRONG_ROLE.
        """
        address, given = address_of(context.peer()), _bearer(context)
        actor = certificate_actor(context.auth_context(), address) if given is None else self._holder(given, address)
        if actor is None:
            known = given is not None or shows_certificate(context.auth_context())
            self._refused.note(Why.UNKNOWN if known else Why.MISSING, address)
            if given is None and known:
                raise without_role(context.auth_context())
            raise no_credentials()
        if actor.role not in roles:
            self._refused.note(Why.WRONG_ROLE, address)
            wanted = " or ".join(sorted(roles))
            message = f"The role {actor.role} may not do this: use a token of the role {wanted}."
            raise Refused(Reason.WRONG_ROLE, message, metadata={"role": actor.role})
        return actor

    def _holder(self, bearer: str, address: str) -> Actor | None:
        token = self._coordinator.token_shown(hash_token(bearer))
        return Actor(token.role, "token", token.token_id, token.name, address) if token else None


def _bearer(context: Context) -> str | None:
    """The token that the call brings; None: none, and its certificate counts."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
            return value[7:].strip()
    return None
