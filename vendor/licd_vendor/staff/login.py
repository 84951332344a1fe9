"""Who is logged in (OWASP session management).

Rules:

- A session is 32 random bytes in a cookie that no script reads, that goes over TLS (or to this very machine) and to
  this site's own pages only (`__Host-`, HttpOnly, Secure, SameSite=Strict). The database has its SHA-256. It ends
  after 8 hours.
- Every form carries a token made from the session, and a POST whose Origin is another site's is refused: another page
  can't make the browser act.
- Ten wrong passwords a minute from one address, or for one name, and the door is shut until the minute has ended; it is
  counted in the database, over all processes. Each is in the audit table. A name that does not exist takes as long.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from licd_kit.web.origin import is_own_site
from licd_vendor.portal.guard import CLIENT
from licd_vendor.portal.limits import RateLimiter
from licd_vendor.portal.proxies import limit_key
from licd_vendor.staff import passwords
from licd_vendor.store import audit, staff
from licd_vendor.store.audit import Act
from licd_vendor.store.database import Database

COOKIE = "__Host-licd_staff"
SESSION_SECONDS = 8 * 60 * 60
LOGINS_PER_MINUTE = 10
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """A member of the staff, logged in."""

    name: str
    csrf: str

    @property
    def who(self) -> str:
        """The name in the audit table."""
        return f"staff:{self.name}"


class Door:
    """Lets the staff in and out."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._limiter = RateLimiter()

    def visitor(self, request: Request) -> Visitor | None:
        """Give who is logged in."""
        token = request.cookies.get(COOKIE, "")
        with self._database.reading() as connection:
            name = staff.name_of_session(connection, _hash(token), self._now())
        return None if name is None else Visitor(name, _csrf(token))

    def let_in(self, request: Request, name: str, password: str) -> str | int | None:
        """Judge a login; give the new session's token, the seconds to wait, or None: wrong."""
        now, name = self._now(), name[:_MAX_NAME]
        keys = {
            f"login {limit_key(request.scope[CLIENT])}": LOGINS_PER_MINUTE,
            f"login of {_hash(name)}": LOGINS_PER_MINUTE,
        }
        wait = self._limiter.wait_for(self._database.writing, keys, now)
        if wait:
            return wait
        with self._database.reading() as connection:
            hashed = staff.password_hash(connection, name)
        is_right = passwords.is_right(password, hashed)
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            if is_right and staff.password_hash(connection, name) == hashed:
                staff.begin_session(connection, _hash(token), name, now + SESSION_SECONDS, now)
                audit.keep(connection, f"staff:{name}", Act.LOGGED_IN, now, detail=request.scope[CLIENT])
                return token
            # what a stranger has typed as a name may be a password: it is not kept
            who = "stranger" if hashed is None else f"staff:{name}"
            audit.keep(connection, who, Act.LOGIN_REFUSED, now, detail=request.scope[CLIENT])
        return None

    def let_out(self, request: Request) -> None:
        """End the session."""
        with self._database.writing() as connection:
            staff.end_session(connection, _hash(request.cookies.get(COOKIE, "")))


def is_own_form(request: Request, visitor: Visitor, given: str) -> bool:
    """Say whether a POST comes from a form of this site, made for this session."""
    return is_own_site(request) and hmac.compare_digest(visitor.csrf.encode(), given.encode(errors="replace"))


def give_cookie(response: Response, token: str) -> Response:
    """Begin the session in the browser."""
    response.set_cookie(COOKIE, token, SESSION_SECONDS, path="/", secure=True, httponly=True, samesite="strict")
    return response


def take_cookie(response: Response) -> Response:
    """End the session in the browser."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _csrf(token: str) -> str:
    return hmac.new(token.encode(errors="replace"), b"licd staff form", hashlib.sha256).hexdigest()
