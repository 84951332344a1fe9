"""R35: bearer tokens."""

from licd_daemon.core.commands import CreateToken, NoteRefusedCredentials, RevokeToken
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import CredentialsRefused, TokenCreated, TokenRevoked
from licd_daemon.core.model import Role
from licd_daemon.core.refusal import Reason, Refused


def create(draft: Draft, command: CreateToken) -> None:
    """A known hash is the same token; a revoked one stays revoked."""
    known = (token.token_hash for token in draft.state.tokens.values())
    if command.token_hash not in known:
        draft.emit(TokenCreated(command.token_id, command.role, command.name, command.token_hash))


def revoke(draft: Draft, command: RevokeToken) -> None:
    """Idempotent; the last admin token stays, or nobody could make another."""
    token = draft.state.tokens.get(command.token_id)
    if token is None or token.revoked:
        return
    admins = sum(1 for other in draft.state.tokens.values() if other.role is Role.ADMIN and not other.revoked)
    if token.role is Role.ADMIN and admins == 1:
        raise Refused(Reason.LAST_ADMIN_TOKEN, "This is the only admin token: create another before you revoke it.")
    draft.emit(TokenRevoked(command.token_id))


def note_refused(draft: Draft, command: NoteRefusedCredentials) -> None:
    """A run of refused credentials is recorded; how often is the door's matter."""
    draft.emit(CredentialsRefused(command.count, command.addresses, command.since))
