"""Who may call what and what it costs (R35, R36), as the protos say: the option `licd.v1.access` of every method.

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


class Access(NamedTuple):
    """The roles that may call a method, and whether a call costs a key stretching, a picture or a signature."""

    roles: frozenset[Role]
    costly: bool


def read_access(method: MethodDescriptor) -> Access:
    """What the method's option says.

    Raises:
        TypeError: it has none, or no role, or no cost; the text names the file, the method and the remedy.
    """
    access: pb.Access = method.GetOptions().Extensions[_OPTION]
    if not access.roles or pb.ROLE_UNSPECIFIED in access.roles or access.cost == pb.COST_UNSPECIFIED:
        service = method.containing_service
        raise TypeError(
            f"protos/{service.file.name}: {service.name}.{method.name} does not say who may call it and what it costs: "
            "give it `option (access) = {roles: [ROLE_ADMIN], cost: COST_CHEAP};`, then run `make proto`"
        )
    roles = frozenset(Role[pb.Role.Name(role).removeprefix("ROLE_")] for role in access.roles)
    return Access(roles, access.cost == pb.COST_COSTLY)


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
