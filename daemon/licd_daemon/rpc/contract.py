"""Who may call what, what it costs and how large a request may be (R35, R36), as the protos say.

They say it by the option `licd.v1.access` of every method.

A method without it fails here, at import: none is served by a rule that nobody chose.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

import licd.v1
from licd.v1 import access_pb2 as pb
from licd_daemon.core.model import Role

_OPTION: Any = pb.access  # generated stubs give an extension no type
SMALL_REQUEST = 8 * 1024
LARGEST_REQUEST = 96 * 1024
"""What gRPC itself lets through: more than a license file may have, so that one too large is refused as a file (R1)."""


class Access(NamedTuple):
    """The roles that may call a method, and whether a call costs a key stretching, a picture or a signature.

    `max_request_bytes`: the most that a message of a request may have.
    """

    roles: frozenset[Role]
    costly: bool
    max_request_bytes: int


def read_access(method: MethodDescriptor) -> Access:
    """What the method's option says.

    Raises:
        TypeError: it has none, or no role, no cost or no size that gRPC lets through; the text names the file, the
            method and the remedy.
    """
    access: pb.Access = method.GetOptions().Extensions[_OPTION]
    says_who = access.roles and pb.ROLE_UNSPECIFIED not in access.roles
    says_what = access.cost != pb.COST_UNSPECIFIED and 0 < access.max_request_bytes <= LARGEST_REQUEST
    if not (says_who and says_what):
        service = method.containing_service
        raise TypeError(
            f"protos/{service.file.name}: {service.name}.{method.name} does not say who may call it, what it "
            "costs and how large a request may be: give it `option (access) = {roles: [ROLE_ADMIN], cost: COST_CHEAP, "
            f"max_request_bytes: {SMALL_REQUEST}}};`, then run `make proto`"
        )
    roles = frozenset(Role[pb.Role.Name(role).removeprefix("ROLE_")] for role in access.roles)
    return Access(roles, access.cost == pb.COST_COSTLY, access.max_request_bytes)


def _services() -> list[ServiceDescriptor]:
    names = [module.name for module in iter_modules(licd.v1.__path__) if module.name.endswith("_service_pb2")]
    files = [import_module(f"licd.v1.{name}").DESCRIPTOR for name in names]
    return [service for file in files for service in file.services_by_name.values()]


_SERVICES = _services()
SERVICES = tuple(service.full_name for service in _SERVICES)
"""Every service of licd.v1."""
ACCESS = {
    f"/{service.full_name}/{method.name}": read_access(method) for service in _SERVICES for method in service.methods
}
"""By the method's path, `/licd.v1.Service/Method`."""
