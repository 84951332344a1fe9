"""etcd over gRPC, by licd's own minimal messages (FINDINGS: no Python client for etcd is fit). See `store.Store`.

- One channel for each endpoint. A call waits until one of them is connected, and only then is it sent; so a failure to
  connect is certain to have written nothing, and the next endpoint is tried.
- `hasleader`: a member that is cut from the majority refuses at once, and the next endpoint is tried.
- A read that fails is asked elsewhere. A write that was sent and has failed otherwise than by etcd's own refusal is
  `OutcomeUnknown`; the next call goes to another endpoint.
- Every attempt has a deadline: a stopped member leaves its connections open. A write's is long even where leases are
  short: given up earlier, it would be of unknown outcome, and nothing won. Pings find a connection whose other end is
  gone without a word.
- A renewal is confirmed by a read under the same leader of etcd: one that has been deposed unawares still renews.
- Files with certificates are read again, once they change, for an endpoint that is not connected (any more).
- aio objects belong to one event loop: made at the first call, used in that loop alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
import structlog
from grpc import aio

from licd.etcd.v1 import etcd_pb2 as pb
from licd_daemon.journal.etcd.store import (
    Committed,
    Condition,
    Created,
    Item,
    OutcomeUnknown,
    Page,
    Put,
    Renewed,
    StoreUnavailable,
    Write,
)
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_kit.clock import boottime_ms

T = TypeVar("T")
Stamp = tuple[tuple[int, int], ...]
log = structlog.get_logger(__name__)

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_LONGEST_ATTEMPT_S = 2.0
_WRITE_S = 2.0
_PATIENCE = 2
"""Attempts' time, at least one for each endpoint: an election of etcd's own takes a second or two."""
_PAUSE_S = 0.1
# min_reconnect_backoff_ms is how long one attempt to connect may take: over a slow path a handshake takes several round
# trips. etcd forbids pings oftener than each 5 s, and any without a call under way. A cluster has no way out: a proxy
# for the web in the environment is not the way to etcd.
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
)
# etcd answers with these when it has certainly not carried the request out.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_NO_LEADER = "etcdserver: no leader"
_NO_SPACE = "etcdserver: mvcc: database space exceeded"
_BUSY = "etcdserver: too many requests"
_LOG_IN_ANEW = ("etcdserver: invalid auth token", "etcdserver: revision of auth store is old")
_NO_LEASE = "etcdserver: requested lease not found"


class EtcdClient:
    """See the module. `close` at the end."""

    def __init__(self, target: EtcdTarget) -> None:
        """Connect at the first call."""
        self._target = target
        self._attempt_s = max(0.4, min(_LONGEST_ATTEMPT_S, target.lease_ttl_ms / 5000))
        # Where there is no other endpoint to turn to, a slow answer is worth waiting for.
        self._read_s = self._attempt_s * (1 if len(target.endpoints) > 1 else _PATIENCE)
        self._channels: dict[str, tuple[aio.Channel, Stamp]] = {}
        self._first = 0
        self._token = ""

    async def get(self, key: bytes) -> Item | None:
        """See `store.Store.get`."""
        answer = await self._read("KV/Range", pb.RangeRequest(key=key), pb.RangeResponse.FromString)
        return _item(answer.kvs[0]) if answer.kvs else None

    async def scan(self, start: bytes, end: bytes, *, limit: int, revision: int = 0, keys_only: bool = False) -> Page:
        """See `store.Store.scan`."""
        request = pb.RangeRequest(key=start, range_end=end, limit=limit, revision=revision, keys_only=keys_only)
        answer = await self._read("KV/Range", request, pb.RangeResponse.FromString)
        return Page(tuple(map(_item, answer.kvs)), revision or answer.header.revision, answer.more)

    async def commit(self, conditions: Sequence[Condition], writes: Sequence[Write]) -> Committed:
        """See `store.Store.commit`."""
        request = pb.TxnRequest(compare=map(_compare, conditions), success=map(_operation, writes))
        answer = await self._write("KV/Txn", request, pb.TxnResponse.FromString)
        return Committed(answer.succeeded, answer.header.revision)

    async def compact(self, revision: int) -> None:
        """See `store.Store.compact`."""
        await self._write("KV/Compact", pb.CompactionRequest(revision=revision), pb.CompactionResponse.FromString)

    async def grant(self, ttl_s: int) -> tuple[int, int]:
        """See `store.Store.grant`."""
        request = pb.LeaseGrantRequest(ttl=ttl_s)
        answer = await self._write("Lease/LeaseGrant", request, pb.LeaseGrantResponse.FromString)
        if answer.error:
            raise StoreUnavailable(f"etcd grants no lease: {answer.error}")
        return answer.id, answer.ttl

    async def renew(self, lease: int, key: bytes) -> Renewed:
        """See `store.Store.renew`."""
        answer = await self._try_all(lambda channel: self._keep_alive(channel, lease), sent_once=False)
        read = await self._read("KV/Range", pb.RangeRequest(key=key), pb.RangeResponse.FromString)
        if answer.header.raft_term != read.header.raft_term:
            raise StoreUnavailable("etcd has elected another leader meanwhile: the renewal is not sure")
        return Renewed(answer.ttl, _item(read.kvs[0]) if read.kvs else None)

    async def revoke(self, lease: int) -> None:
        """See `store.Store.revoke`."""
        try:
            await self._write("Lease/LeaseRevoke", pb.LeaseRevokeRequest(id=lease), pb.LeaseRevokeResponse.FromString)
        except StoreUnavailable as error:
            if _NO_LEASE not in str(error):
                raise

    async def close(self) -> None:
        """End the connections. Idempotent."""
        channels, self._channels = self._channels, {}
        await asyncio.gather(*(channel.close() for channel, _ in channels.values()))

    async def _read(self, method: str, request: Any, parse: Callable[[bytes], T]) -> T:
        return await self._try_all(
            lambda channel: self._call(channel, method, request, parse, self._read_s), sent_once=False
        )

    async def _write(self, method: str, request: Any, parse: Callable[[bytes], T]) -> T:
        return await self._try_all(
            lambda channel: self._call(channel, method, request, parse, _WRITE_S), sent_once=True
        )

    async def _try_all(self, call: Callable[[aio.Channel], Awaitable[T]], *, sent_once: bool) -> T:
        """Try the endpoints in turn, beginning with the one that answered last.

        Args:
            call: What is asked of an endpoint that is connected.
            sent_once: A write: once sent, it is not sent again unless etcd says that it was not taken.
        """
        endpoints, turn, problem = self._target.endpoints, 0, ""
        deadline = boottime_ms() + int(_PATIENCE * self._attempt_s * 1000)
        while turn < len(endpoints) or boottime_ms() < deadline:
            if turn and turn % len(endpoints) == 0:
                await asyncio.sleep(_PAUSE_S)
            turn += 1
            endpoint = endpoints[self._first % len(endpoints)]
            channel = self._channel(endpoint)
            if not await self._connected(channel):
                problem = f"{endpoint} does not answer"
                self._pass_over(endpoint)
                continue
            try:
                return await call(channel)
            except aio.AioRpcError as error:
                problem = f"{endpoint}: {error.details() or error.code().name}"
                if self._logs_in_anew(error, turn):
                    continue
                if _refused(error):
                    raise StoreUnavailable(f"etcd refuses: {problem}") from None
                self._pass_over(endpoint)
                if sent_once and _NO_LEADER not in (error.details() or ""):
                    raise OutcomeUnknown(f"etcd's answer is not known: {problem}") from None
        raise StoreUnavailable(f"etcd can't be reached ({problem}): see that a majority of its servers runs")

    def _pass_over(self, endpoint: str) -> None:
        """The next call begins elsewhere, unless another call has seen to that."""
        endpoints = self._target.endpoints
        if endpoints[self._first % len(endpoints)] == endpoint:
            self._first += 1

    def _channel(self, endpoint: str) -> aio.Channel:
        held = self._channels.get(endpoint)
        if held and (held[0].get_state() is grpc.ChannelConnectivity.READY or held[1] == self._stamp()):
            return held[0]
        # One that is replaced closes once nobody holds it any more.
        stamp = self._stamp()
        self._channels[endpoint] = self._connect(endpoint), stamp
        return self._channels[endpoint][0]

    def _stamp(self) -> Stamp:
        """What changes with the files that a connection is made with."""
        target = self._target
        return tuple(_changed_at(path) for path in (target.ca, target.cert, target.key) if path)

    def _connect(self, endpoint: str) -> aio.Channel:
        target = self._target
        if target.ca is None:
            return aio.insecure_channel(endpoint, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(_pem(target.ca), _pem(target.key), _pem(target.cert))
        return aio.secure_channel(endpoint, credentials, options=_OPTIONS)

    async def _connected(self, channel: aio.Channel) -> bool:
        deadline = boottime_ms() + int(self._attempt_s * 1000)
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            left = (deadline - boottime_ms()) / 1000
            if left <= 0 or state is grpc.ChannelConnectivity.SHUTDOWN:
                return False
            try:
                await asyncio.wait_for(channel.wait_for_state_change(state), left)
            except TimeoutError:
                return False
            if channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                return False
        return True

    async def _call(
        self, channel: aio.Channel, method: str, request: Any, parse: Callable[[bytes], T], seconds: float
    ) -> T:
        unary: Any = channel.unary_unary(
            f"/etcdserverpb.{method}", request_serializer=_bytes, response_deserializer=parse
        )
        answer: T = await unary(request, timeout=seconds, metadata=await self._metadata(channel))
        return answer

    async def _keep_alive(self, channel: aio.Channel, lease: int) -> pb.LeaseKeepAliveResponse:
        stream: Any = channel.stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            request_serializer=_bytes,
            response_deserializer=pb.LeaseKeepAliveResponse.FromString,
        )(timeout=self._read_s, metadata=await self._metadata(channel))
        try:
            await stream.write(pb.LeaseKeepAliveRequest(id=lease))
            answer = await stream.read()
            if answer is aio.EOF:
                raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), "no answer")
            result: pb.LeaseKeepAliveResponse = answer
            return result
        except asyncio.InvalidStateError:  # written to a call that has ended: its status says why
            code, details = await stream.code(), await stream.details()
            raise aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), details) from None
        finally:
            stream.cancel()

    async def _metadata(self, channel: aio.Channel) -> tuple[tuple[str, str], ...]:
        if self._target.user and not self._token:
            await self._log_in(channel)
        token = (("token", self._token),) if self._token else ()
        return (("hasleader", "true"), *token)

    async def _log_in(self, channel: aio.Channel) -> None:
        assert self._target.password_file is not None
        # Read for each login, so that a changed password is used without a restart.
        password = _text(self._target.password_file).strip()
        log_in: Any = channel.unary_unary(
            "/etcdserverpb.Auth/Authenticate",
            request_serializer=_bytes,
            response_deserializer=pb.AuthenticateResponse.FromString,
        )
        request = pb.AuthenticateRequest(name=self._target.user, password=password)
        self._token = (await log_in(request, timeout=_WRITE_S)).token

    def _logs_in_anew(self, error: aio.AioRpcError, turn: int) -> bool:
        """Whether the token was only too old: etcd keeps one for minutes."""
        stale = any(text in (error.details() or "") for text in _LOG_IN_ANEW)
        if not (stale and self._token) or turn > len(self._target.endpoints):
            return False
        self._token = ""
        return True


def _refused(error: aio.AioRpcError) -> bool:
    """Whether etcd itself has answered that it did not carry the request out."""
    details = error.details() or ""
    return error.code() in _REFUSALS or _NO_SPACE in details or _BUSY in details


def _item(found: pb.KeyValue) -> Item:
    return Item(found.key, found.value, found.create_revision, found.mod_revision, found.lease)


def _compare(condition: Condition) -> pb.Compare:
    if isinstance(condition, Created):
        return pb.Compare(target=1, key=condition.key, create_revision=condition.revision)
    return pb.Compare(target=2, key=condition.key, mod_revision=condition.revision)


def _operation(write: Write) -> pb.RequestOp:
    if isinstance(write, Put):
        return pb.RequestOp(request_put=pb.PutRequest(key=write.key, value=write.value, lease=write.lease))
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=write.key, range_end=write.end))


def _bytes(request: Any) -> bytes:
    content: bytes = request.SerializeToString()
    return content


def _changed_at(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _pem(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}: make it readable for the daemon") from None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        raise StoreUnavailable(f"{path} can't be read: make it a text file that the daemon can read") from None
