"""Where everything is in etcd.

    PREFIX/leader              who leads; ends with the leader's lease       (leadership/etcd.py)
    PREFIX/epoch               the highest epoch ever given out              (leadership/etcd.py)
    PREFIX/followers/LEASE     a daemon that is ready to lead            (leadership/followers.py)
    PREFIX/head                position and digest of the last entry
    PREFIX/journal/POSITION    the segment that begins with that entry; 16 hexadecimal digits, so order is order
    PREFIX/snapshot            of the newest snapshot: its head, seal and parts
    PREFIX/snapshots/POSITION/PART

What is behind the head is not in the journal: an append that was not finished.
"""


class Keys:
    """The keys of one cluster of licd."""

    def __init__(self, prefix: str) -> None:
        """`prefix`: before all of them."""
        self._prefix = prefix
        self.leader, self.epoch = self._key("leader"), self._key("epoch")
        self.head, self.snapshot = self._key("head"), self._key("snapshot")
        self.journal, self.journal_end = self._key("journal/"), self._key("journal0")
        self.snapshots = self._key("snapshots/")
        self.followers, self.followers_end = self._key("followers/"), self._key("followers0")

    def segment(self, first: int) -> bytes:
        """The key of the segment that begins with the entry at `first`."""
        return self.journal + b"%016x" % first

    def first_of(self, key: bytes) -> int:
        """The position that a segment's key names."""
        return int(key[len(self.journal) :], 16)

    def follower(self, lease: int) -> bytes:
        """The key of a follower that is ready, by the lease that the key is on."""
        return self.followers + b"%016x" % lease

    def part(self, position: int, number: int) -> bytes:
        """The key of a part of the snapshot after the entry at `position`."""
        return self.parts(position) + b"%04x" % number

    def parts(self, position: int) -> bytes:
        """What the keys of that snapshot's parts begin with."""
        return self.snapshots + b"%016x/" % position

    def _key(self, name: str) -> bytes:
        return f"{self._prefix}/{name}".encode()
