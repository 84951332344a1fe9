"""The few messages of etcd's API that a load needs (etcd's rpc.proto, v3), by hand: protobuf's own encoding.

etcd's generated stubs are not used, because two etcd packages in one process collide in protobuf's pool.
"""

LEASE_GRANT = "/etcdserverpb.Lease/LeaseGrant"
LEASE_KEEP_ALIVE = "/etcdserverpb.Lease/LeaseKeepAlive"
PUT = "/etcdserverpb.KV/Put"
RANGE = "/etcdserverpb.KV/Range"


def varint(value: int) -> bytes:
    """Base 128, least significant first."""
    encoded = b""
    while value > 127:
        encoded += bytes((value & 127 | 128,))
        value >>= 7
    return encoded + bytes((value,))


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def lease_grant(lease: int, ttl_s: int) -> bytes:
    """LeaseGrantRequest {TTL, ID}."""
    return _number(1, ttl_s) + _number(2, lease)


def lease_keep_alive(lease: int) -> bytes:
    """LeaseKeepAliveRequest {ID}."""
    return _number(1, lease)


def put(key: bytes, value: bytes, lease: int) -> bytes:
    """PutRequest {key, value, lease}."""
    return _bytes(1, key) + _bytes(2, value) + _number(3, lease)


def range_count() -> bytes:
    """RangeRequest {key, range_end, count_only}: every key."""
    return _bytes(1, b"\0") + _bytes(2, b"\0") + _number(9, 1)


def count(response: bytes) -> int:
    """RangeResponse.count (4); 0 where it is left out."""
    at = 0
    while at < len(response):
        tag, at = _read_varint(response, at)
        value, at = _read_varint(response, at)
        if tag == 4 << 3:
            return value
        if tag & 7 == 2:
            at += value
    return 0


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
