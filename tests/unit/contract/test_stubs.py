"""The contract: stubs are those of the protos, protos are linted, services are those of the design."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.releases import RELEASES, WHEELS

from licd.v1 import cluster_service_pb2, failure_pb2, node_service_pb2, registration_service_pb2
from licd_daemon.core.reasons import FailureReason

ROOT = Path(__file__).parents[3]
PROTOS = ROOT / "protos"
PACKAGES = ("licd/v1", "licd/etcd/v1")


def test_committed_stubs_are_what_the_protos_give(tmp_path: Path):
    outputs = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    sources = [str(path) for folder in PACKAGES for path in sorted((PROTOS / folder).glob("*.proto"))]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTOS), *outputs, *sources], check=True)
    for folder in PACKAGES:
        made = {path.name: path.read_text() for path in (tmp_path / folder).iterdir()}
        committed = {path.name: path.read_text() for path in (PROTOS / folder).glob("*_pb2*")}
        assert committed == made, "run `make proto`"


def test_the_protos_pass_buf_standard_and_comments():
    buf = Path(sys.executable).parent / "buf"
    done = subprocess.run([str(buf), "lint"], cwd=PROTOS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_methods_are_those_of_the_design():
    methods = {
        service.name: [method.name for method in service.methods]
        for module in (node_service_pb2, registration_service_pb2, cluster_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    }
    assert methods == {
        "NodeService": ["Join", "Resume", "KeepAlive", "Leave"],
        "RegistrationService": [
            "GetRegistration",
            "WatchRegistration",
            "UploadLicense",
            "CreateChallenge",
            "SubmitCode",
            "CheckRegistration",
            "ResetRegistration",
            "ReleaseLicense",
        ],
        "ClusterService": ["ListNodes", "EvictNode", "ListEvents", "WatchEvents", "GetLeader"],
    }


def test_every_failure_reason_has_its_number_in_the_contract():
    named = {f"FAILURE_REASON_{reason}" for reason in FailureReason}
    assert set(failure_pb2.FailureReason.keys()) == {"FAILURE_REASON_UNSPECIFIED", *named}


def test_a_lock_file_names_no_registry_and_pins_by_hash():
    lock = (ROOT / "requirements/dev.lock").read_text()
    assert "http" not in lock
    assert "--index" not in lock
    packages = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert all(line.endswith("\\") for line in packages)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("line", "becomes", "finding"),
    [
        ("", "", ""),
        ("uint64 epoch = 2;", "", 'field "2" with name "epoch"'),
        ("uint64 epoch = 2;", "uint64 era = 2;", 'from "epoch" to "era"'),
        ("rpc Leave(LeaveRequest) returns (LeaveResponse)", "rpc Go(LeaveRequest) returns (LeaveResponse)", "Leave"),
    ],
    ids=["nothing", "field removed", "field renamed", "method renamed"],
)
def test_only_what_grows_passes_the_comparison_with_a_release(
    line: str, becomes: str, finding: str, release: str, tmp_path: Path
):
    shutil.copytree(PROTOS, tmp_path / "protos")
    proto = tmp_path / "protos/licd/v1/node_service.proto"
    assert line in proto.read_text()
    proto.write_text(proto.read_text().replace(line, becomes, 1))
    against = f"{WHEELS}/licd-{release}-py3-none-any.whl#format=zip"
    command = [str(Path(sys.executable).parent / "buf"), "breaking", "--against", against]
    done = subprocess.run(command, cwd=tmp_path / "protos", capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (not finding), done.stdout + done.stderr
    assert finding in done.stdout
