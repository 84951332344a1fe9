"""An engine that leads, by short names: batches become durable when a test says so."""

from support.beats import Beat
from unit.core.world import APPLICATION, LEASE, MINUTE, T0_S, World

from licd_daemon.core import commands as c
from licd_daemon.core.leases import with_margin
from licd_daemon.core.model import Now, Policy, SessionStatus
from licd_daemon.engine.engine import Batch, Engine
from licd_daemon.engine.presence import Presence

SPAN = with_margin(LEASE)
T0_MS = T0_S * 1000


class Led:
    """An engine whose epoch has begun on the journal of a world."""

    def __init__(self, world: World) -> None:
        self.served = world.now.served
        self.engine = Engine(Policy(5 * MINUTE), LEASE, world.state)
        self.engine.started(self.engine.start(c.StartEpoch(world.epoch + 1, LEASE), self.now))

    @property
    def now(self) -> Now:
        return Now(T0_MS + self.served, self.served, self.served)

    def begin(self, *commands: c.Command, leads: bool = True) -> Batch:
        return self.engine.begin(commands, self.now, leads=leads)

    def do(self, *commands: c.Command) -> Batch:
        batch = self.begin(*commands)
        self.engine.committed(batch, self.served)
        return batch

    def beat(self, name: str, sequence: int, serial: int = 0) -> bool:
        return self.engine.beat(name, self.presence(name), Beat(sequence, serial), 0.0, self.served)

    def presence(self, name: str) -> Presence:
        presence = self.engine.presences.get(name)
        assert presence is not None
        return presence

    def status(self, name: str) -> SessionStatus:
        return self.engine.state.sessions[name].status


def join(name: str) -> c.Join:
    return c.Join(name, name, name, name, APPLICATION)
