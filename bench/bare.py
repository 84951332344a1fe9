"""The yardstick: grpc.aio and uvloop with trivial handlers for the methods of licd.v1.NodeService, and nothing else.

The same contract, channel options and TLS as the daemon. It keeps nothing, checks nothing and writes nothing: what it
costs is what gRPC for Python costs.
"""

import argparse
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.duration_pb2 import Duration
from grpc import aio

from licd.v1 import node_service_pb2 as pb
from licd.v1 import node_service_pb2_grpc as pb_grpc
from licd_daemon.rpc.server import options

LEASE, INTERVAL = Duration(seconds=15), Duration(seconds=5)


class Trivial(pb_grpc.NodeServiceServicer):
    """Answers at once."""

    async def Join(self, request: pb.JoinRequest, context: Any) -> pb.JoinResponse:  # noqa: N802 (gRPC names it)
        """A fixed answer of the usual size."""
        return pb.JoinResponse(
            session_id="0" * 32, epoch=1, lease_ttl=LEASE, heartbeat_interval=INTERVAL, state="NODE_STATE_LICENSED"
        )

    async def KeepAlive(self, requests: object, context: Any) -> None:  # noqa: N802 (gRPC names it)
        """A state, then an acknowledgement for each heartbeat."""
        await context.read()
        await context.write(pb.KeepAliveResponse(state=pb.StateChange(serial=1, state="NODE_STATE_LICENSED")))
        while (request := await context.read()) is not aio.EOF:
            beat = request.heartbeat
            ack = pb.HeartbeatAck(
                sequence=beat.sequence,
                epoch=1,
                received_at=beat.sent_at,
                sent_at=beat.sent_at,
                lease_ttl=LEASE,
                heartbeat_interval=INTERVAL,
            )
            await context.write(pb.KeepAliveResponse(heartbeat_ack=ack))


async def serve(folder: Path | None) -> None:
    """Serves until it is killed; prints its port first. `folder`: of server.crt and server.key; None: plaintext."""
    server = aio.server(options=options(1_000_000))
    pb_grpc.add_NodeServiceServicer_to_server(Trivial(), server)
    if folder is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = (folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", type=Path)
    uvloop.run(serve(parser.parse_args().tls))
