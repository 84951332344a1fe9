"""The whole admin flow with the real grpcurl, over TLS with a token, as operations use it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from licd_daemon.cli.demo.parts import PartFailed, Parts, eventually, open_on_phone

GRPCURL = Path(sys.executable).parent / "grpcurl"
FAILED_PRECONDITION = 64 + 9
UNAUTHENTICATED = 64 + 16


class Grpcurl:
    """grpcurl against a daemon; the token travels by the environment, never by argv."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def run(self, *arguments: str, role: str = "admin", data: Any = None) -> "subprocess.CompletedProcess[str]":
        options = ["-cacert", str(self.parts.ca), "-expand-headers", "-max-time", "20"]
        env = dict(os.environ)
        if role:
            options += ["-H", "authorization: Bearer ${LICD_TOKEN}"]
            env["LICD_TOKEN"] = self.parts.token_file(role).read_text().strip()
        if data is not None:
            options += ["-d", "@"]
        return subprocess.run(
            [str(GRPCURL), *options, self.parts.address, *arguments],
            input=json.dumps(data) if data is not None else "",
            capture_output=True,
            text=True,
            env=env,
            check=False,
            timeout=60,
        )

    def call(self, method: str, data: Any = None) -> Any:
        done = self.run(f"licd.v1.{method}", data=data or {})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, method: str, data: Any = None) -> str:
        done = self.run(f"licd.v1.{method}", data=data or {})
        assert done.returncode == FAILED_PRECONDITION, (done.returncode, done.stderr)
        return done.stderr


@pytest.fixture
def grpcurl(parts: Parts) -> Grpcurl:
    parts.issue()
    parts.start_portal()
    parts.start_daemon()
    return Grpcurl(parts)


def test_the_whole_admin_flow_with_grpcurl(grpcurl: Grpcurl, parts: Parts):
    listed = grpcurl.run("list").stdout.split()
    assert {"licd.v1.NodeService", "licd.v1.RegistrationService", "licd.v1.ClusterService"} <= set(listed)
    assert "grpc.health.v1.Health" in listed
    assert "rpc SubmitCode" in grpcurl.run("describe", "licd.v1.RegistrationService").stdout
    assert "message ErrorInfo" in grpcurl.run("describe", "google.rpc.ErrorInfo").stdout
    assert "message Failure" in grpcurl.run("describe", "licd.v1.Failure").stdout
    registration = grpcurl.call("RegistrationService/GetRegistration")["registration"]
    assert registration["state"] == "REGISTRATION_STATE_UNLICENSED"

    upload = {"auth_method": "AUTH_METHOD_LOCAL_CONTAINER", "content": base64.b64encode(b"garbage").decode()}
    said = grpcurl.refused("RegistrationService/UploadLicense", upload)
    assert "FAILURE_REASON_CERTIFICATE_CONTENT_INCORRECT" in said
    assert "LICENSE_REFUSED" in said
    upload["content"] = base64.b64encode(parts.license.read_bytes()).decode()
    registration = grpcurl.call("RegistrationService/UploadLicense", upload)["registration"]
    assert registration["license"]["max_nodes"] == 3, registration

    challenge = grpcurl.call("RegistrationService/CreateChallenge")["challenge"]
    code = open_on_phone(challenge["url"])
    submit = {"challenge_id": challenge["challenge_id"], "code": code}
    said = grpcurl.refused("RegistrationService/SubmitCode", submit)
    assert "No node is connected" in said
    assert "Start at least one report server" in said, "a refusal prints its remedy"

    parts.start_node("report-1", ["sleep", "infinity"])
    eventually("the node is connected", lambda: grpcurl.call("ClusterService/ListNodes").get("nodes"))
    registration = grpcurl.call("RegistrationService/SubmitCode", submit)["registration"]
    assert registration["state"] == "REGISTRATION_STATE_REGISTERED"
    (node,) = grpcurl.call("ClusterService/ListNodes")["nodes"]
    assert (node["name"], node["state"]) == ("report-1", "NODE_STATE_LICENSED")


def test_health_answers_grpcurl_without_a_token_and_the_rest_does_not(grpcurl: Grpcurl):
    done = grpcurl.run("grpc.health.v1.Health/Check", role="", data={"service": "licd.v1.NodeService"})
    assert json.loads(done.stdout) == {"status": "SERVING"}
    done = grpcurl.run("grpc.health.v1.Health/Check", role="", data={"service": "registered"})
    assert json.loads(done.stdout) == {"status": "NOT_SERVING"}
    done = grpcurl.run("licd.v1.RegistrationService/GetRegistration", role="", data={})
    assert done.returncode == UNAUTHENTICATED
    assert "NO_CREDENTIALS" in done.stderr


def test_R26_another_deployment_of_the_same_license_gets_no_code(grpcurl: Grpcurl, parts: Parts, tmp_path: Path):
    parts.licd("upload", str(parts.license))
    open_on_phone(parts.licd_json("status")["challenge"]["url"])
    other = Parts(tmp_path / "other", parts.portal, parts.portal_url, "127.0.0.1:0")
    other.vendor_home, other.license = parts.vendor_home, parts.license
    try:
        other.start_daemon()
        other.licd("upload", str(other.license))
        url = other.licd_json("status")["challenge"]["url"]
        with pytest.raises(PartFailed, match="The maximum number of authorizations has been reached"):
            open_on_phone(url)
        (listed,) = json.loads(parts.vendor("list", "--output", "json"))
        parts.vendor("unbind", listed["license_id"])
        assert open_on_phone(url)
    finally:
        other.end_all()
