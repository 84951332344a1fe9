"""The life of a node on the wire: one thread that takes one event at a time, decides, and acts.

- It joins, opens the stream, keeps the pace, resumes what is lost and joins again what has ended, until it is stopped
  or evicted (R15, R16). What to believe and when to beat is decided in belief.py and pace.py.
- From the moment a newer link is made, nothing an older one says counts (R16): one Join or Resume is under way, and the
  answer of one that was given up is dropped. Else its stream number would pass for this process's last one.
- A Resume refused as stale is repeated with the nonce of the refusal: this process waited for it, so a copy of it has
  opened a newer stream, and the session ends for both (R16).
- The belief is changed BEFORE the heartbeat that echoes the change is sent, and ends before Leave is sent (R13, R15).
- It never blocks on the network, so that a lease's end is reported on time.
- A node that is refused for its token shows another one, if its file or its past has one, before it believes that.
- What a node verifies is judged in the same step as the word that it belongs to: no instant lies between (R37).
- A daemon of a lower epoch is refused and the session kept: the right daemon may be at another address (R14).
"""

import dataclasses
import logging
import queue
import random
from collections.abc import Callable

from licd.v1 import node_service_pb2 as pb
from licd.v1.token_service_pb2 import EnrollRequest, EnrollResponse
from node_client import clock, errors, wire
from node_client.belief import Answer, Belief, OlderEpochError
from node_client.credentials import Credentials
from node_client.link import Answered, Broken, Link, Received
from node_client.pace import SLOWEST_RETRY, retry_delay
from node_client.session import Route, Session
from node_client.settings import Settings
from node_client.values import Failure, NodeState

_LOG = logging.getLogger("node_client")
_CALL_TIMEOUT = 5.0
LEAVE_TIMEOUT = 2.0
"""Seconds for the whole of a Leave: a program's end must not hang on a daemon that is away."""
_LONGEST_WAIT = 1.0
"""Seconds; a queue's timeout does not count suspended time, so the clock is looked at this often."""

_EVICTED = Failure(
    "EVICTED",
    "An administrator evicted this node",
    remedy="Restart this program if it may join the cluster again.",
)
_UNWELCOME = frozenset({"NO_CREDENTIALS", "WRONG_ROLE"})
"""The daemon that leads refuses this node itself, as after its token was revoked."""
_OLDER_REMEDY = "Stop the daemon that runs on an old copy of the journal; if the copy is wanted, restart this program."


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """The program closed the node."""


Change = Callable[[Callable[[Belief], Belief]], Belief]


class Driver:
    """Runs one node; `change` applies a change to its belief, `publish` notifies those who listen."""

    def __init__(self, settings: Settings, change: Change, publish: Callable[[], None]) -> None:
        """Nothing happens before run()."""
        self._settings = settings
        self._change = change
        self._publish = publish
        self._events: queue.SimpleQueue[Answered | Received | Broken | Stop] = queue.SimpleQueue()
        self._credentials = Credentials(settings)
        self._drift = 0.0
        self._session = Session()
        self._expired: Session | None = None
        self._route = Route(settings.addresses)
        self._link: Link | None = None
        self._generation = 0
        self._failed = 0
        self._retry_at: float | None = None
        self._leave_by: float | None = None
        self._leaves_left = 0
        self._done = False
        self._logged: set[str] = set()

    def stop(self) -> None:
        """End the node: it leaves, then the thread ends. Any thread may call it."""
        self._events.put(Stop())

    def run(self) -> None:
        """The thread's body."""
        self._retry_at = clock.boottime()
        while not self._done:
            try:
                self._turn()
            except Exception:
                _LOG.exception("a fault of node_client itself; it goes on with a new connection")
                self._again()
        self._drop_link()
        self._publish()

    def _turn(self) -> None:
        # First: a lease's end is reported before anything is done about it.
        self._publish()
        self._tick(clock.boottime())
        self._publish()
        try:
            event = self._events.get(timeout=self._patience(clock.boottime()))
        except queue.Empty:
            return
        self._handle(event)

    # What is to be done, by the clock

    def _tick(self, now: float) -> None:
        if self._leave_by is not None:
            self._done = self._done or now >= self._leave_by
        elif self._retry_at is not None:
            if now >= self._retry_at:
                self._try()
        elif self._link is not None and self._session.pace.runs:
            self._keep(self._link, now)

    def _keep(self, link: Link, now: float) -> None:
        """Keep the stream's pace, or give the stream up while there is still time to resume."""
        if self._belief().lapsed_at(now) or self._session.pace.dead_at(now):
            _LOG.warning("no acknowledgement from %s in time; resuming", link.address)
            self._again()
        elif self._session.pace.beats_at(now):
            # Counted from before it is sent: the daemon's lease can only be the longer one (R13).
            self._session.pace = self._session.pace.beaten(now)
            link.send(self._session.heartbeat(self._belief().serial))

    def _patience(self, now: float) -> float:
        if self._done:
            return 0.0
        lease_until = self._belief().lease_until
        instants = [now + _LONGEST_WAIT, self._session.pace.next_at()]
        instants += [instant for instant in (self._retry_at, self._leave_by) if instant is not None]
        instants += [lease_until] if lease_until > now else []
        return max(0.0, min(instants) - now)

    def _belief(self) -> Belief:
        return self._change(lambda belief: belief)

    # Links

    def _try(self) -> None:
        self._retry_at = None
        link = self._open_link()
        if self._session.session_id:
            belief = self._belief()
            # A second try must still fit into the lease.
            timeout = min(_CALL_TIMEOUT, max(1.0, self._session.pace.interval))
            wants_license = self._settings.wants_license
            request = self._session.resume_request(belief.epoch, belief.epoch_id, wants_license=wants_license)
            link.resume(request, timeout)
        else:
            link.join(self._session.join_request(self._settings), _CALL_TIMEOUT)

    def _open_link(self) -> Link:
        self._drop_link()
        self._generation += 1
        shown, insecure = self._credentials.take(), self._settings.insecure
        self._link = Link(shown, self._route.take(), self._generation, self._events.put, insecure=insecure)
        return self._link

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        self._session.pause()
        if link is not None:
            link.close()

    def _again(self, after: float = 0.0) -> None:
        """Try again after `after` seconds, and no sooner than the usual, growing time allows."""
        self._drop_link()
        self._failed += 1
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        delay = retry_delay(self._failed, self._session.pace.interval, chance)
        self._retry_at = clock.boottime() + max(after * (1 + 0.2 * chance), delay)

    def _become(self, session: Session) -> None:
        """Take another session; the link of the one before has ended."""
        self._drop_link()
        self._session = session

    # What came in

    def _handle(self, event: Answered | Received | Broken | Stop) -> None:
        if isinstance(event, Stop):
            self._stopped()
        elif self._link is None or event.generation != self._link.generation:
            return
        elif self._leave_by is not None:
            if isinstance(event, Answered):
                self._leaving(event, self._leave_by)
        elif isinstance(event, Answered):
            self._answered(self._link, event)
        elif isinstance(event, Received):
            self._received(self._link, event)
        else:
            self._broken(self._link, event)

    def _answered(self, link: Link, event: Answered) -> None:
        if event.error is not None:
            self._refused(link, errors.read(event.error))
        elif isinstance(event.response, pb.JoinResponse | pb.ResumeResponse):
            self._taken(link, wire.answer(event.response), event.sent)
        elif isinstance(event.response, EnrollResponse):
            _LOG.info("%s has enrolled this node; it has a token of its own now", link.address)
            self._credentials.own.enrolled()
            self._drop_link()
            self._retry_at = clock.boottime()

    def _taken(self, link: Link, answer: Answer, sent: float) -> None:
        now, wall_ns = clock.boottime(), clock.wall_ns()
        self._drift = answer.max_clock_drift
        try:
            self._change(lambda belief: self._verified(belief.answered(answer, sent=sent), now, wall_ns))
        except OlderEpochError as error:
            self._distrust(link, error)
            return
        _LOG.info("connected to %s: %s", link.address, answer.reported)
        self._logged.clear()
        self._credentials.accepted()
        self._expired = None
        self._session.session_id, self._session.stream, self._session.nonce = answer.session_id, answer.stream, ""
        self._session.pace = self._session.pace.opened(clock.boottime(), answer.heartbeat_interval)
        link.open(self._session.opening(wants_license=self._settings.wants_license))

    def _verified(self, belief: Belief, now: float, wall_ns: int) -> Belief:
        """R37: with what the license proves at an instant, by both clocks."""
        if self._settings.verifier is None:
            return belief
        proof = self._settings.verifier.judge(belief.license)
        return belief.proven(proof, now + proof.left(wall_ns / 1e9, self._drift))

    def _received(self, link: Link, event: Received) -> None:
        kind = event.response.WhichOneof("message")
        if kind == "heartbeat_ack":
            self._acknowledged(link, event, event.response.heartbeat_ack)
        elif kind == "state":
            self._state_changed(event, event.response.state)
        elif kind == "reconnect":
            self._route.lead(self._allowed(event.response.reconnect.address))
            self._again(wire.seconds(event.response.reconnect.after))
        elif kind == "ended":
            self._ended(event.response.ended.reason)

    def _acknowledged(self, link: Link, event: Received, ack: pb.HeartbeatAck) -> None:
        pace = self._session.pace
        if pace.sent is None or ack.sequence != pace.sequence:
            return
        sent, ttl = pace.sent, wire.seconds(ack.lease_ttl)
        try:
            self._change(
                lambda belief: self._verified(
                    belief.acknowledged(epoch=ack.epoch, lease_ttl=ttl, sent=sent, now=event.now),
                    event.now,
                    event.wall_ns,
                )
            )
        except OlderEpochError as error:
            self._distrust(link, error)
            return
        self._failed = 0
        self._session.acknowledged(ack, event.wall_ns, event.now)
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        self._session.pace = pace.acknowledged(event.now, wire.seconds(ack.heartbeat_interval), chance)
        if self._credentials.renewed():
            _LOG.info("the token's file holds another one; resuming with it")
            self._again()

    def _state_changed(self, event: Received, state: pb.StateChange) -> None:
        before = self._belief()
        reported, failures = wire.node_state(state.state), wire.failures(state.failures)
        grace = wire.seconds(state.outage_grace)
        after = self._change(
            lambda belief: self._verified(
                belief.informed(state.serial, reported, failures, grace, state.license), event.now, event.wall_ns
            )
        )
        if after.serial != before.serial:
            self._session.pace = self._session.pace.hurried(clock.boottime())

    def _broken(self, link: Link, event: Broken) -> None:
        if event.error is None:
            self._route.advance()
            self._again()
        else:
            self._refused(link, errors.read(event.error))

    # Refusals and ends

    def _refused(self, link: Link, refusal: errors.Refusal) -> None:
        if refusal.reason == "SESSION_EXPIRED":
            evicted = refusal.metadata.get("ended", "").removeprefix("END_REASON_") == "EVICTED"
            self._ended(pb.END_REASON_EVICTED if evicted else pb.END_REASON_EXPIRED)
            return
        if refusal.reason == "WRONG_ROLE" and refusal.metadata.get("role") == "join":
            self._enroll(link)
            return
        unwelcome = refusal.reason in _UNWELCOME
        if refusal.reason == "STALE_RESUME" or (unwelcome and self._credentials.refused()):
            # To the same daemon: no other one knows the nonce, and another token is left for this one.
            self._session.nonce = refusal.metadata.get("nonce", self._session.nonce)
            self._trouble(self._explained(link, refusal))
            self._again()
            return
        if refusal.reason == "WRONG_SECRET":
            self._forget()
        if unwelcome:
            self._change(Belief.unwelcome)
        self._trouble(self._explained(link, refusal))
        self._route.advance()
        self._route.lead(self._allowed(refusal.leader))
        self._again(refusal.retry_after or (SLOWEST_RETRY if refusal.slow else 0.0))

    def _enroll(self, link: Link) -> None:
        """R35: what was shown is a join token, good for a token of this node's own and nothing else."""
        try:
            token_hash = self._credentials.own.hash()
        except OSError as error:
            title, remedy = (
                "The file of this node's own token cannot be written",
                "Name one that can (credential_file).",
            )
            self._trouble(Failure("CREDENTIALS_UNREADABLE", title, str(error), remedy))
            self._again(SLOWEST_RETRY)
            return
        link.enroll(EnrollRequest(node_name=self._settings.node_name, token_hash=token_hash), _CALL_TIMEOUT)

    def _ended(self, reason: pb.EndReason) -> None:
        if reason in (pb.END_REASON_SUPERSEDED, pb.END_REASON_REFUSED):
            # The session may well live: Resume finds out.
            self._again()
        elif reason == pb.END_REASON_EVICTED:
            _LOG.error("%s. %s", _EVICTED.title, _EVICTED.remedy)
            self._change(lambda belief: belief.ended(NodeState.EVICTED, _EVICTED))
            # It believes no more, so the seat need not drain: the next in the waitlist has it at once (R13).
            self._begin_leaving()
        else:
            _LOG.warning("the session has ended; joining again")
            self._forget()
            self._again()

    def _forget(self) -> None:
        self._change(Belief.forgotten)
        if self._session.session_id:
            self._expired = self._session
        self._become(Session())

    def _distrust(self, link: Link, error: OlderEpochError) -> None:
        """R14. A daemon of an older journal does not know the session: what it ended is taken up again elsewhere."""
        if self._expired is not None:
            self._become(self._expired)
            self._expired = None
        title = "The daemon's journal is older than what this node has seen"
        self._trouble(Failure("JOURNAL_OLDER", title, f"{link.address}: {error}", _OLDER_REMEDY))
        self._route.advance()
        self._again()

    def _explained(self, link: Link, refusal: errors.Refusal) -> Failure:
        by_certificate = self._credentials.shown.pair is not None and not self._credentials.shown.token
        return self._credentials.explained(refusal.trouble(link.address, by_certificate=by_certificate))

    def _trouble(self, trouble: Failure) -> None:
        if trouble.reason not in self._logged:
            self._logged.add(trouble.reason)
            _LOG.error("%s: %s. %s", trouble.title, trouble.detail, trouble.remedy)
        self._change(lambda belief: belief.troubled(trouble))

    def _allowed(self, address: str) -> str:
        return address if address and self._settings.may_reach(address) else ""

    # Leaving

    def _stopped(self) -> None:
        if self._leave_by is None:
            self._begin_leaving()

    def _begin_leaving(self) -> None:
        self._leave_by = clock.boottime() + LEAVE_TIMEOUT
        self._leaves_left = len(self._route)
        self._retry_at = None
        if self._session.session_id:
            if not self._session.pace.runs:
                # A Resume under way could fail, and its failure pass for the Leave's.
                self._drop_link()
            self._leave(self._leave_by)
        elif self._link is None:
            self._done = True
        # Else a Join is under way, which the daemon may have taken: its answer is awaited, then left.

    def _leave(self, leave_by: float) -> None:
        self._leaves_left -= 1
        link = self._link or self._open_link()
        link.leave(self._session.leave_request(), max(0.1, leave_by - clock.boottime()))

    def _leaving(self, event: Answered, leave_by: float) -> None:
        if isinstance(event.response, pb.JoinResponse):
            self._session.session_id = event.response.session_id
            self._leave(leave_by)
        elif event.error is not None and self._session.session_id and self._leaves_left > 0:
            self._route.advance()
            self._route.lead(self._allowed(errors.read(event.error).leader))
            self._drop_link()
            self._leave(leave_by)
        else:
            self._done = True
