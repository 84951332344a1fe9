"""Bearer tokens and the files that the daemon's first start puts them in (R35).

Rules:

- A token is `licd_` and 256 random bits. Only its SHA-256 is kept: nobody can guess 256 bits, so no slower hash is
  needed.
- The first start makes the files that are missing: 0600, in a folder 0700. No later start does, so a file that was
  moved to a safer place stays away.
- A file that exists (a mounted Secret, 0440, a symlink) is read as it is and never changed. If its token is not known
  yet, it has to be journaled; one that was revoked is known permanently, and its file does not bring it back.
- No token reaches a log or an exception.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.model import DAY_MS, Actor, Role, Token
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.operations import fields
from licd_kit.synced_files import write_whole

_PREFIX = "licd_"
LONGEST_OVERLAP_MS = 30 * DAY_MS
MOST_USES = 10_000
LONGEST_MS = 36_500 * DAY_MS
_FILES = (Role.ADMIN, Role.VIEWER, Role.NODE)
# What RFC 6750, section 2.1 lets a bearer token be; long enough that its hash alone gives it away to nobody.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{32,512}=*")
log = structlog.get_logger(__name__)


class TokenFileInvalid(Exception):
    """A token's file can't be used; the text names the file and the remedy, never what it holds."""


@dataclass(frozen=True, slots=True)
class FileToken:
    """A token that is in a file and has to be journaled (TokenCreated). `name`: how people see it."""

    role: Role
    name: str
    token_id: str
    token_hash: str = field(repr=False)


def new_token() -> str:
    """A fresh token: `licd_` and 32 random bytes in base64url."""
    return _PREFIX + secrets.token_urlsafe(32)


def new_token_id() -> str:
    """A fresh id: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def hash_token(token: str) -> str:
    """What the journal keeps of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """What administrators do with tokens."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def create(
        self, role: Role, name: str, actor: Actor, ends_at: int | None = None, uses: int = 0
    ) -> tuple[Token, str]:
        """Make a token, and give it with its secret, which is kept nowhere.

        Args:
            role: What it allows.
            name: A display name, may be empty.
            actor: Who asked for it.
            ends_at: When it ends, in wall ms; None: never.
            uses: How many nodes a join token may enroll; 0: one.

        Raises:
            Refused: INVALID_FIELD, or what the coordinator raises.
        """
        if ends_at is not None and fields.instant("ends_at", ends_at) <= self._coordinator.now().wall:
            raise fields.invalid_field("ends_at", "is not later than now", "Give a time to come.")
        if uses and role is not Role.JOIN:
            raise fields.invalid_field("uses", "is for join tokens", "Leave it out.")
        if not 0 <= uses <= MOST_USES:
            raise fields.invalid_field("uses", "is out of range", f"Give 1 to {MOST_USES}.")
        secret, made = new_token(), new_token_id()
        name = fields.text("name", name, 128, least=0)
        if role is Role.JOIN:
            uses = uses or 1
        command = c.CreateToken(made, role, name, hash_token(secret), ends_at, uses, actor=actor)
        state = await self._coordinator.submit(command)
        return state.tokens[made], secret

    async def enroll(self, node_name: str, token_hash: bytes, actor: Actor) -> Token:
        """Make the token that a node has chosen for itself, with the join token of `actor`.

        Args:
            node_name: The new token's name.
            token_hash: The SHA-256 of its secret, which the node keeps.
            actor: Who asked for it.

        Raises:
            Refused: INVALID_FIELD, WRONG_ROLE, NO_CREDENTIALS, or what the coordinator raises.
        """
        name = fields.text("node_name", node_name, 253)
        if len(token_hash) != hashlib.sha256().digest_size:
            raise fields.invalid_field("token_hash", f"has {len(token_hash)} bytes", "Give the 32 of a SHA-256.")
        command = c.Enroll(new_token_id(), name, token_hash.hex(), actor=actor)
        state = await self._coordinator.submit(command)
        return state.tokens[state.token_ids[command.token_hash]]

    def ends_after(self, span_ms: int) -> int:
        """The wall time at which a token ends that is made now, in ms.

        Raises:
            Refused: INVALID_FIELD.
        """
        if not 1000 <= span_ms <= LONGEST_MS:
            raise fields.invalid_field("expires_in", "is out of range", "Give 1 s to 100 years (36500 days).")
        return self._coordinator.now().wall + span_ms

    def in_force(self) -> list[Token]:
        """The tokens that are not revoked, in the order of their making.

        Raises:
            Refused: NOT_LEADER.
        """
        tokens = self._coordinator.standing().tokens.values()
        return sorted((token for token in tokens if not token.revoked), key=lambda token: token.created_at)

    async def rotate(self, token_id: str, overlap_ms: int, actor: Actor) -> tuple[Token, str]:
        """Give a token another secret, which is kept nowhere; the one before is taken for `overlap_ms` more.

        Raises:
            Refused: INVALID_FIELD, NO_SUCH_TOKEN, LAST_ADMIN_TOKEN, or what the coordinator raises.
        """
        if not 0 <= overlap_ms <= LONGEST_OVERLAP_MS:
            raise fields.invalid_field("overlap", "is out of range", "Give 0 to 30 days.")
        secret = new_token()
        return await self._rotated(token_id, hash_token(secret), overlap_ms, actor), secret

    async def take_back(self, token_id: str, actor: Actor) -> Token:
        """Undo the last rotation: the secret that it made is void, and the one before has no end of its own any more.

        Raises:
            Refused: as `rotate`; NO_SUCH_TOKEN if it was never rotated.
        """
        token = self._coordinator.state.tokens.get(fields.text("token_id", token_id, 64))
        if token is None or not token.former_hash:
            raise Refused(Reason.NO_SUCH_TOKEN, "No such token was rotated: there is nothing to take back.")
        return await self._rotated(token_id, token.former_hash, 0, actor)

    async def _rotated(self, token_id: str, token_hash: str, overlap_ms: int, actor: Actor) -> Token:
        command = c.RotateToken(fields.text("token_id", token_id, 64), token_hash, overlap_ms, actor=actor)
        return (await self._coordinator.submit(command)).tokens[token_id]

    def former_ends_at(self, token: Token) -> int | None:
        """When the secret before the last rotation ends, in wall ms; None: it has, or there is none."""
        now = self._coordinator.now()
        left = token.former_until - now.served
        return now.wall + left if left > 0 else None

    def last_use(self, token: Token) -> int | None:
        """When it was used last, in wall ms; None: never, as far as is known."""
        return self._coordinator.engine.uses.last(token, self._coordinator.now().wall)

    async def revoke(self, token_id: str, actor: Actor) -> None:
        """End a token.

        Raises:
            Refused: INVALID_FIELD, LAST_ADMIN_TOKEN, or what the coordinator raises.
        """
        await self._coordinator.submit(c.RevokeToken(fields.text("token_id", token_id, 64), actor=actor))


def ensure_token_files(data_dir: Path, known_hashes: Collection[str]) -> list[FileToken]:
    """Make the files of the first start, read those that are there, and give the tokens to be journaled.

    Args:
        data_dir: The data directory; the files are `tokens/{admin,viewer,node}.token` in it.
        known_hashes: Of every token ever journaled, revoked ones included; none: this is the first start.

    Raises:
        TokenFileInvalid: A file can't be read or written, or holds no token.
    """
    folder = data_dir / "tokens"
    paths = {role: folder / f"{role}.token" for role in _FILES}
    if not known_hashes:
        _make_missing(folder, paths.values())
    found: dict[str, FileToken] = {}
    for role, path in paths.items():
        if path.exists():
            token_hash = hash_token(_read(path))
            if token_hash in found:
                raise TokenFileInvalid(f"{path} holds the token of {found[token_hash].name}: give each role its own")
            found[token_hash] = FileToken(role, path.name, new_token_id(), token_hash)
    return [token for token_hash, token in found.items() if token_hash not in known_hashes]


def _make_missing(folder: Path, paths: Iterable[Path]) -> None:
    missing = [path for path in paths if not path.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            write_whole(path, f"{new_token()}\n".encode(), 0o600)
    except OSError as error:
        if len(missing) == len(_FILES):
            raise TokenFileInvalid(f"{folder}: {error.strerror}: make it writable for the daemon") from None
        # A mounted Secret need not hold every role, and can't be written to.
        log.warning("token_files_not_made", folder=str(folder), error=error.strerror)


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TokenFileInvalid(f"{path}: {error.strerror}: make it readable for the daemon") from None
    token = content.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise TokenFileInvalid(f"{path} holds no token: put in 32 to 512 letters, digits and -._~+/, or remove it")
    return token
