"""Who is logged in (R35): sessions of browsers, and the link that logs in once.

- A session stands for a token, not for a person: it has the token's role, and ends with the token, after 12
  hours, at a logout, or with the daemon. Sessions live in memory; only the hash of a session's secret is kept.
- Tokens of the role node open no session.
- The link is made at each start, is in a file that only the daemon's user can read, and ends with its first use
  or 15 minutes. It stands for the oldest admin token in force. Its secret is the address's fragment: no server, log or
  preview sees it.
"""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.model import Role, Token
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.operations.tokens import hash_token
from licd_kit.clock import boottime_ms
from licd_kit.synced_files import write_whole

SESSION_MS = 12 * 3_600_000
LINK_S = 15 * 60
MAX_SESSIONS = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    """A browser's session. `key`: the hash of its secret; `ends_at`: boottime in ms."""

    key: str
    token_id: str
    ends_at: int


class Logins:
    """The sessions in force."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._by_key: OrderedDict[str, Login] = OrderedDict()

    def open(self, token_hash: str) -> str:
        """Open a session for a token, and give the secret that the browser keeps.

        Raises:
            Refused: NO_CREDENTIALS, WRONG_ROLE.
        """
        token = self._coordinator.token_shown(token_hash)
        if token is None:
            raise Refused(Reason.NO_CREDENTIALS, "This token is not in force: see `licd token list`.")
        if token.role in (Role.NODE, Role.JOIN):
            raise Refused(Reason.WRONG_ROLE, "This is a node's token: use one of the role admin or viewer.")
        secret = secrets.token_urlsafe(32)
        key = hash_token(secret)
        self._by_key[key] = Login(key, token.token_id, boottime_ms() + SESSION_MS)
        if len(self._by_key) > MAX_SESSIONS:
            self._by_key.popitem(last=False)
        return secret

    def find(self, secret: str) -> Login | None:
        """The session that a browser's secret opens, if it is in force."""
        login = self._by_key.get(hash_token(secret))
        return login if login is not None and self.token(login) is not None else None

    def token(self, login: Login) -> Token | None:
        """The token that a session stands for, whose role it has; None: the session has ended."""
        if login.key not in self._by_key:
            return None
        token = self._coordinator.state.tokens[login.token_id]
        if token.revoked or boottime_ms() >= login.ends_at:
            self.close(login)
            return None
        self._coordinator.engine.uses.used(token, self._coordinator.now().wall)
        return token

    def close(self, login: Login) -> None:
        """End a session. Idempotent."""
        self._by_key.pop(login.key, None)


class LoginLink:
    """The console's address that logs in once, in a file for local commands and their user."""

    def __init__(self, file: Path, console_url: str, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._file = file
        secret = secrets.token_urlsafe(32)
        self._hash: str | None = hash_token(secret)
        try:
            write_whole(self._file, f"{console_url}/login#{secret}\n".encode(), 0o600)
        except OSError as error:
            log.warning("console_link_not_written", error=error.strerror)
        self._end = asyncio.get_running_loop().call_later(LINK_S, self.end)

    def take(self, secret: str) -> str:
        """The hash of the token that the link stands for; the link has ended.

        Raises:
            Refused: NO_CREDENTIALS.
        """
        known, admins = self._hash, self._admins()
        if known is None or not secrets.compare_digest(known, hash_token(secret)) or not admins:
            raise Refused(Reason.NO_CREDENTIALS, "This link is used up or too old: log in with a token.")
        self.end()
        return admins[0]

    def _admins(self) -> list[str]:
        tokens = (token for token in self._coordinator.state.tokens.values() if not token.revoked)
        admins = (token for token in tokens if token.role is Role.ADMIN)
        return [token.token_hash for token in sorted(admins, key=lambda token: token.created_at)]

    def end(self) -> None:
        """Nobody logs in by it any more. Idempotent."""
        if self._hash is not None:
            self._hash = None
            self._end.cancel()
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
