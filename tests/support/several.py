"""Several real daemons over one etcd, with the same tokens, as mounted Secrets give them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import node_client
from licd.v1 import leadership_service_pb2, leadership_service_pb2_grpc
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import parse
from licd_daemon.leadership import followers
from licd_daemon.operations.tokens import new_token
from support.admin import Admin
from support.daemon import Daemon
from support.ports import free_port
from support.vendor import TestVendor
from support.waiting import eventually

APPLICATION = node_client.Application("report-server", "10.0.19", "2024-05-01", "sales")


class Several:
    """The daemons of one cluster; each has data and ports of its own."""

    def __init__(self, make_daemon: Callable[..., Daemon], vendor: TestVendor, url: str, size: int, *options: str):
        self.vendor = vendor
        self.daemons: list[Daemon] = []
        self._tokens = {role: new_token() for role in ("admin", "viewer", "node")}
        self._nodes: list[node_client.Node] = []
        for number in range(size):
            listen = f"127.0.0.1:{free_port()}"
            daemon = make_daemon("--journal", url, "--insecure", "--listen", listen, *options, name=f"daemon-{number}")
            daemon.address = listen
            folder = daemon.data_dir / "tokens"
            folder.mkdir(parents=True)
            for role, token in self._tokens.items():
                (folder / f"{role}.token").write_text(f"{token}\n")
            self.daemons.append(daemon)

    @property
    def addresses(self) -> list[str]:
        """What nodes are given."""
        return [daemon.address for daemon in self.daemons]

    def start(self) -> "Several":
        """Starts those that do not run."""
        for daemon in self.daemons:
            if daemon.process is None:
                daemon.start()
        return self

    def leader(self, timeout: float = 20.0) -> Daemon:
        """The daemon that says by its health that it leads."""
        return eventually(lambda: next((each for each in self.daemons if leads(each)), None), timeout)

    def followers(self) -> list[Daemon]:
        """The others that run."""
        leader = self.leader()
        return [each for each in self.daemons if each.process is not None and each is not leader]

    def await_follower(self) -> Daemon:
        """Returns when a follower stands ready to lead, and gives the leader."""
        options = self.daemons[0].options
        target = parse(options[options.index("--journal") + 1])

        async def stands_ready() -> bool:
            store = EtcdClient(target)
            try:
                return await followers.anyone(store, target.prefix)
            finally:
                await store.close()

        leader = self.leader()
        eventually(lambda: asyncio.run(stands_ready()), 20)
        return leader

    def admin(self) -> Admin:
        """An administrator at the leader."""
        return Admin(self.leader().stubs("admin"), self.vendor)

    def node(self, name: str = "report-1") -> node_client.Node:
        """A node that knows all addresses."""
        node = node_client.connect(
            self.addresses, application=APPLICATION, node_name=name, token=self._tokens["node"], insecure=True
        )
        self._nodes.append(node)
        return node

    def registered(self, nodes: int, **changes: Any) -> list[node_client.Node]:
        """A registered cluster of so many nodes, each with a seat."""
        admin = self.admin()
        admin.upload(self.vendor.lic(**changes))
        made = [self.node(f"report-{number}") for number in range(nodes)]
        eventually(lambda: len(admin.nodes()) == nodes, 20)
        admin.register()
        for node in made:
            assert node.wait_licensed(10)
        return made

    def end(self) -> None:
        """Ends nodes and daemons, whatever state they are in."""
        for daemon in self.daemons:
            daemon.kill()
        for node in self._nodes:
            node.close()


def health(daemon: Daemon, service: str) -> str:
    """What a daemon's health says of a service; "" when it does not answer."""
    with grpc.insecure_channel(daemon.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        except grpc.RpcError:
            return ""
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def transfer(leader: Daemon) -> Any:
    """Asks the leader to give the lead to a follower; the call, which is under way."""
    stub: Any = leadership_service_pb2_grpc.LeadershipServiceStub(leader.stubs("admin").channel)
    return stub.TransferLeadership.future(leadership_service_pb2.TransferLeadershipRequest(), timeout=10)


def leads(daemon: Daemon) -> bool:
    """Whether a daemon says that it leads."""
    return daemon.process is not None and health(daemon, "licd.v1.NodeService") == "SERVING"


@contextmanager
def ending(several: Several) -> Iterator[Several]:
    """Starts the daemons, and ends them whatever happens."""
    try:
        yield several.start()
    finally:
        several.end()
