"""What Prometheus reads, collected when it asks: a heartbeat costs one addition, regardless of who scrapes.

Counters are this run's: they start at 0 with the daemon, as Prometheus expects. Instants are Unix seconds. A metric of
the license is left out while there is none, one of a node's clock until it is measured. Nodes have a series of their
own for the 1,000 clocks that differ most; `licd_nodes` counts them all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.latency import BOUNDS_S, Latency
from licd_daemon.core.events import CodeRejected, LockedOut, SessionJoined, SessionLost, UploadRefused, snake
from licd_daemon.core.view import NodeState, RegistrationState, registration_state
from licd_daemon.operations.board import gather
from licd_daemon.operations.certificate_check import Grade, Standing
from licd_daemon.operations.nodes import NodeView
from licd_daemon.operations.refused_credentials import Why

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
MAX_CLOCKS = 1000
EVERY_NODE = 1_000_000
Samples = Sequence[tuple[Mapping[str, str], float]]
_COUNTED = (
    ("licd_joins", SessionJoined, "Sessions opened."),
    ("licd_lost_nodes", SessionLost, "Sessions whose lease ended in silence."),
    ("licd_wrong_codes", CodeRejected, "Codes that were compared and wrong."),
    ("licd_lockouts", LockedOut, "Times that too many wrong codes locked the registration."),
    ("licd_refused_uploads", UploadRefused, "Uploads of a license that were refused."),
)


class Metrics(Collector):
    """Reports a coordinator, the calls that a guard has seen (`rpc_latency`, by method), and the certificate.

    `certificate`: asks for its standing; None: there is no TLS. `refused`: credentials, by why.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        rpc_latency: Mapping[str, Latency],
        max_clock_drift_ms: int,
        certificate: Callable[[], Standing] | None,
        refused: Mapping[Why, int],
    ) -> None:
        self._refused = refused
        self._coordinator = coordinator
        self._certificate = certificate
        self._max_clock_drift_ms = max_clock_drift_ms
        self._rpc_latency = rpc_latency
        self._nodes: list[NodeView] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    async def page(self) -> bytes:
        """The page at this instant, in the text format 0.0.4."""
        self._nodes, _ = await gather(self._coordinator, EVERY_NODE)
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the registry would collect at the start, when there is no loop."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client.registry.Collector`."""
        yield from self._daemon()
        yield from certificate_metrics(self._certificate)
        yield from self._registration()
        yield from self._lockout()
        yield from self._of_nodes()
        yield from self._counters()
        yield from self._latencies()

    def _daemon(self) -> Iterable[Metric]:
        coordinator = self._coordinator
        yield _gauge("licd_build_info", "The daemon's version.", [({"version": version("licd")}, 1)])
        yield leader_metric(leads=coordinator.leads())
        leadership = coordinator.leadership
        age = (leadership.proof_age_ms() or 0) / 1000
        yield _gauge("licd_leadership_proof_age_seconds", "How old the last proof of leadership is.", [({}, age)])
        interval = leadership.proof_interval_ms / 1000
        yield _gauge(
            "licd_leadership_proof_interval_seconds", "How long a proof of leadership holds.", [({}, interval)]
        )
        sync = leadership.sync_ms / 1000
        yield _gauge("licd_leadership_sync_seconds", "How long the last proof's sync took.", [({}, sync)])
        yield _gauge("licd_journal_writable", "1 while the journal can be written.", [({}, coordinator.writable)])
        yield _gauge("licd_epoch", "The daemon's epoch; rises with each start.", [({}, coordinator.state.epoch)])
        trusted = coordinator.state.clock_untrusted is None
        yield _gauge("licd_clock_trusted", "0 while the leader's own clock is not to be trusted.", [({}, trusted)])

    def _registration(self) -> Iterable[Metric]:
        state = self._coordinator.state
        current = registration_state(state)
        samples = [({"state": each.value}, each is current) for each in RegistrationState]
        yield _gauge("licd_registration_state", "1 for the registration's state, 0 for the others.", samples)
        last = state.last_registration
        ended = last.ended_at / 1000 if last else 0
        help_text = "When the last registration ended; 0: there is one, or never was."
        yield _gauge("licd_registration_ended_timestamp_seconds", help_text, [({}, ended)])
        license = state.license
        if license is not None:
            expires = license.expires_at
            yield _gauge("licd_license_expires_timestamp_seconds", "When the license ends.", [({}, expires)])
            grace = license.outage_grace_seconds
            yield _gauge("licd_outage_grace_seconds", "How long programs go on without the daemon.", [({}, grace)])
        most = license.max_nodes if license else 0
        yield _gauge("licd_max_nodes", "The most nodes that may hold a seat.", [({}, most)])
        yield _gauge("licd_seats_taken", "Seats held, and seats that still drain.", [({}, state.tally.taken)])

    def _lockout(self) -> Iterable[Metric]:
        lockout, now = self._coordinator.state.lockout, self._coordinator.now()
        left = lockout.left_ms(now)
        until = (now.wall + left) / 1000 if left else 0
        yield _gauge("licd_lockout_until_timestamp_seconds", "When codes are taken again; 0: they are.", [({}, until)])
        yield _gauge("licd_attempts_left", "Wrong codes until the lock.", [({}, 0 if left else lockout.attempts_left)])

    def _of_nodes(self) -> Iterable[Metric]:
        by_state = Counter(node.state for node in self._nodes)
        samples = [({"state": state.value}, by_state[state]) for state in NodeState]
        yield _gauge("licd_nodes", "Connected nodes, by state.", samples)
        measured = sorted(
            (node for node in self._nodes if node.clock), key=lambda node: -abs(node.clock.offset if node.clock else 0)
        )[:MAX_CLOCKS]
        named = [({"node": node.name, "session": node.session_id}, node.clock) for node in measured if node.clock]
        yield _gauge(
            "licd_node_clock_offset_seconds",
            "A node's clock minus the leader's.",
            [(labels, clock.offset / 1000) for labels, clock in named],
        )
        yield _gauge(
            "licd_node_clock_error_seconds",
            "The bound of that offset's error.",
            [(labels, clock.error / 1000) for labels, clock in named],
        )
        limit = self._max_clock_drift_ms
        drifted = sum(node.clock is not None and node.clock.over(limit) for node in self._nodes)
        yield _gauge("licd_nodes_drifted", "Nodes whose clock is over the limit.", [({}, drifted)])
        yield _gauge("licd_clock_drift_limit_seconds", "The clock offset that is accepted.", [({}, limit / 1000)])

    def _counters(self) -> Iterable[Metric]:
        counts = self._coordinator.news.counts
        for name, event, help_text in _COUNTED:
            yield CounterMetricFamily(name, help_text, value=counts[event])
        yield CounterMetricFamily(
            "licd_heartbeats", "Heartbeats acknowledged.", value=self._coordinator.presences.heartbeats
        )
        yield from self._budgets()
        events = CounterMetricFamily("licd_events", "Events that became durable, by kind.", labels=["kind"])
        for kind, count in counts.items():
            events.add_metric([snake(kind.__name__)], count)
        yield events
        refused = CounterMetricFamily("licd_credentials_refused", "Refused credentials, by why.", labels=["reason"])
        for why, count in self._refused.items():
            refused.add_metric([why], count)
        yield refused

    def _budgets(self) -> Iterable[Metric]:
        help_text = "Requests of nodes that were refused for a budget: of joins, of places, of room before the journal."
        refused = CounterMetricFamily("licd_budget_refusals", help_text, labels=["budget"])
        for budget, count in self._coordinator.joins.refused.items():
            refused.add_metric([budget], count)
        refused.add_metric(["queue"], self._coordinator.queue.refused)
        yield refused

    def _latencies(self) -> Iterable[Metric]:
        journal = HistogramMetricFamily("licd_journal_append_seconds", "How long an append took to be durable.")
        journal.add_metric([], *_histogram(self._coordinator.append_latency))
        yield journal
        calls = HistogramMetricFamily("licd_rpc_seconds", "How long unary calls took.", labels=["method"])
        for method, latency in self._rpc_latency.items():
            calls.add_metric([method.removeprefix("/")], *_histogram(latency))
        yield calls


class FollowerMetrics(Collector):
    """Reports that this daemon does not lead, and its certificate."""

    def __init__(self, certificate: Callable[[], Standing] | None) -> None:
        self._certificate = certificate
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def page(self) -> bytes:
        """The page at this instant, in the text format 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client.registry.Collector`."""
        yield leader_metric(leads=False)
        yield from certificate_metrics(self._certificate)


def leader_metric(*, leads: bool) -> Metric:
    """Whether this daemon leads."""
    return _gauge("licd_leader", "1 while this daemon can prove that it leads.", [({}, leads)])


def certificate_metrics(certificate: Callable[[], Standing] | None) -> Iterable[Metric]:
    """The end of the certificate that is served, and how many faults it has, by grade; nothing without TLS (R34)."""
    if certificate is None:
        return
    standing = certificate()
    help_text = "When the first certificate of the server's chain ends."
    yield _gauge("licd_certificate_expires_timestamp_seconds", help_text, [({}, standing.ends.timestamp())])
    counts = Counter(fault.grade for fault in standing.faults)
    help_text = "What is wrong with the server's certificate, by grade."
    yield _gauge("licd_certificate_faults", help_text, [({"grade": each.value}, counts[each]) for each in Grade])


def _gauge(name: str, help_text: str, samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=list(samples[0][0]) if samples else [])
    for labels, value in samples:
        family.add_metric(list(labels.values()), float(value))
    return family


def _histogram(latency: Latency) -> tuple[list[tuple[str, float]], float]:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), latency.counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets, latency.total_s
