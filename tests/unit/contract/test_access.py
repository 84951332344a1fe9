"""Every method says in the protos who may call it, what it costs and how large a request may be (R35, R36).

A daemon with one that does not say it does not start.
"""

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from licd.v1 import access_pb2 as pb
from licd_daemon import cli
from licd_daemon.core.model import Role
from licd_daemon.core.refusal import Refused
from licd_daemon.rpc import contract
from licd_daemon.rpc.limits import Limits
from licd_daemon.rpc.server import Services

OPTION: Any = pb.access
CALL = re.compile(r'"([A-Z]\w+Service/\w+)"')
WITHOUT_COMMAND = {
    "ClusterService/GetLeader",
    "RegistrationService/WatchRegistration",  # for programs
}


def method_with(access: pb.Access | None):
    """A method of a file of its own whose option is `access`."""
    file = descriptor_pb2.FileDescriptorProto(name="licd/v1/new_service.proto", package="licd.v1", syntax="proto3")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="NewService").method.add(
        name="Try", input_type=".licd.v1.Nothing", output_type=".licd.v1.Nothing"
    )
    if access is not None:
        option: pb.Access = method.options.Extensions[OPTION]
        option.CopyFrom(access)
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindMethodByName("licd.v1.NewService.Try")


@pytest.mark.parametrize(
    "access",
    [
        None,
        pb.Access(cost=pb.COST_CHEAP, max_request_bytes=8192),
        pb.Access(roles=[pb.ROLE_ADMIN], max_request_bytes=8192),
        pb.Access(roles=[pb.ROLE_UNSPECIFIED], cost=pb.COST_CHEAP, max_request_bytes=8192),
        pb.Access(roles=[pb.ROLE_ADMIN], cost=pb.COST_CHEAP),
        pb.Access(roles=[pb.ROLE_ADMIN], cost=pb.COST_CHEAP, max_request_bytes=98_305),
    ],
    ids=["nothing", "no role", "no cost", "role not set", "no size", "a size that gRPC refuses"],
)
def test_R35_a_method_that_does_not_say_who_may_call_it_is_refused_by_name(access: pb.Access | None):
    with pytest.raises(TypeError, match=r"protos/licd/v1/new_service\.proto: NewService\.Try .*`option \(access\)"):
        contract.read_access(method_with(access))


def test_R35_what_a_method_says_is_what_counts():
    access = pb.Access(roles=[pb.ROLE_VIEWER, pb.ROLE_NODE], cost=pb.COST_COSTLY, max_request_bytes=100)
    assert contract.read_access(method_with(access)) == contract.Access(
        frozenset({Role.VIEWER, Role.NODE}), costly=True, max_request_bytes=100
    )


def test_R36_a_peers_allowance_goes_by_the_cost_that_the_contract_names():
    costly = {path.removeprefix("/licd.v1.") for path, access in contract.ACCESS.items() if access.costly}
    assert costly == {
        "RegistrationService/UploadLicense",
        "RegistrationService/CreateChallenge",
        "RegistrationService/SubmitCode",
        "RegistrationService/ReleaseLicense",
        "TokenService/CreateToken",
    }
    limits, peer = Limits(), "ipv4:192.0.2.1:1000"
    with pytest.raises(Refused, match="RATE_LIMITED"):
        exhaust(limits, "/licd.v1.TokenService/CreateToken", peer)
    limits.take("/licd.v1.TokenService/ListTokens", peer)


def test_R36_only_a_license_file_may_be_larger_than_8_kib():
    sizes = {path.removeprefix("/licd.v1."): access.max_request_bytes for path, access in contract.ACCESS.items()}
    assert sizes.pop("RegistrationService/UploadLicense") > 64 * 1024
    assert set(sizes.values()) == {8 * 1024}


def exhaust(limits: Limits, path: str, peer: str) -> None:
    """Many calls: more than a machine that stalls for most of a minute would let the allowance grow by."""
    for _ in range(600):
        limits.take(path, peer)


def test_every_method_is_answered_by_a_servicer_of_the_daemon():
    """A servicer inherits from the generated one, which would answer UNIMPLEMENTED."""
    answered = {
        f"/licd.v1.{servicer.__name__}/{name}"
        for servicer in get_type_hints(Services).values()
        for name in vars(servicer)
        if name[0].isupper()
    }
    assert answered == set(contract.ACCESS)


def calls_in(folder: Path) -> set[str]:
    """The calls that the modules of a folder name."""
    return {call for path in folder.rglob("*.py") for call in CALL.findall(path.read_text(encoding="utf-8"))}


def test_every_call_of_administrators_and_viewers_has_a_command_and_that_a_test():
    wanted = {
        path.removeprefix("/licd.v1.") for path, access in contract.ACCESS.items() if Role.NODE not in access.roles
    }
    commands = calls_in(Path(cli.__file__).parent)
    assert commands == wanted - WITHOUT_COMMAND
    assert commands <= calls_in(Path(__file__).parents[2] / "cli")
