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
from immutables import Map

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.model import Actor, Role, Token
from licd_daemon.operations import fields
from licd_kit.synced_files import write_whole

_PREFIX = "licd_"
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


class TokensInForce:
    """The tokens that count now, by their hashes."""

    def __init__(self) -> None:
        self._seen: Map[str, Token] = Map()
        self._by_hash: dict[str, Token] = {}

    def find(self, tokens: Map[str, Token], token_hash: str) -> Token | None:
        """The token with this hash; None: there is none, or it was revoked.

        Args:
            tokens: Those of the state, by id; the index is made again when they have changed.
            token_hash: What `hash_token` gives.
        """
        if tokens is not self._seen:
            self._seen = tokens
            self._by_hash = {token.token_hash: token for token in tokens.values() if not token.revoked}
        return self._by_hash.get(token_hash)


class Tokens:
    """What administrators do with tokens."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def create(self, role: Role, name: str, actor: Actor) -> tuple[Token, str]:
        """Make a token, and give it with its secret, which is kept nowhere. `name`: for people, may be empty.

        Raises:
            Refused: INVALID_FIELD, or what the coordinator raises.
        """
        secret, made = new_token(), new_token_id()
        name = fields.text("name", name, 128, least=0)
        command = c.CreateToken(made, role, name, hash_token(secret), actor=actor)
        state = await self._coordinator.submit(command)
        return state.tokens[made], secret

    def in_force(self) -> list[Token]:
        """The tokens that are not revoked, in the order of their making.

        Raises:
            Refused: NOT_LEADER.
        """
        tokens = self._coordinator.standing().tokens.values()
        return sorted((token for token in tokens if not token.revoked), key=lambda token: token.created_at)

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
    paths = {role: folder / f"{role}.token" for role in (Role.ADMIN, Role.VIEWER, Role.NODE)}
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
        if len(missing) == len(Role):
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
