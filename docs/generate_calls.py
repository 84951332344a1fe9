# ruff: noqa: INP001 (a script, not a package)
"""Writes docs/calls.md: every call of licd.v1 with who may call it and what it costs, as the protos say.

A test generates it again and compares.

Run: make proto
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from licd.v1 import access_pb2 as access

PAGE = Path(__file__).with_name("calls.md")
PROTOS = Path(__file__).parents[1] / "protos"
HEAD = """# Calls

Every call of `licd.v1`, by service: the roles that may call it (R35, [operations.md](operations.md#tokens-and-roles))
and what it costs (R36: a costly one stretches a key, makes a picture or signs, and a peer may make few of those a
second). The protos say both by the option `licd.v1.access`; this page is generated from them (`make proto`).

`grpc.health.v1` is open to everybody. Reflection is open on loopback and wants the viewer's role elsewhere. What a call
takes, gives and fails with is in `protos/licd/v1`; [errors.md](errors.md) lists the refusals.
"""
_OPTION: Any = access.access  # generated stubs give an extension no type
_SERVICE, _METHOD = 6, 2  # the numbers of FileDescriptorProto.service and ServiceDescriptorProto.method


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *(line for file in _files() for line in _lines(file))])


def _files() -> list[FileDescriptorProto]:
    """The files that hold services, with their comments, which stubs lack."""
    sources = sorted((PROTOS / "licd/v1").glob("*_service.proto"))
    with tempfile.NamedTemporaryFile() as made:
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTOS), f"--descriptor_set_out={made.name}"]
        subprocess.run([*command, "--include_source_info", *map(str, sources)], check=True)
        return list(FileDescriptorSet.FromString(Path(made.name).read_bytes()).file)


def _lines(file: FileDescriptorProto) -> Iterator[str]:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for i, service in enumerate(file.service):
        yield from (f"## {service.name}", "", _first_sentence(comments[_SERVICE, i]), "")
        yield from ("| call | roles | cost | what it does |", "|---|---|---|---|")
        for j, method in enumerate(service.method):
            option: access.Access = method.options.Extensions[_OPTION]
            roles = ", ".join(access.Role.Name(role).removeprefix("ROLE_").lower() for role in option.roles)
            cost = access.Cost.Name(option.cost).removeprefix("COST_").lower()
            yield f"| `{method.name}` | {roles} | {cost} | {_first_sentence(comments[_SERVICE, i, _METHOD, j])} |"
        yield ""


def _first_sentence(comment: str) -> str:
    return re.split(r"(?<=\.)\s", " ".join(comment.split()), maxsplit=1)[0].replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
