"""R35: bearer tokens, and what ends with them.

- A token ends when it is revoked, or when its end has come by the clock of R23 (`Token.over`).
- The only admin token is not revoked and does not end, or nobody could make another. It ends when there is another.
- The sessions that belong to a token end with it, lost ones too, and their seats drain (R13). A session belongs to the
  token that its process showed last.
- A join token does nothing but enroll: each use makes a token of the role node for one node, and the last one ends it.
  What it has enrolled lives on without it.
- What was asked for with a token that has ended meanwhile is refused, whatever it is: between the door, which let it
  in, and this decision the token may have been revoked, and a session that it opened then would live on.
"""

from licd_daemon.core.commands import CreateToken, Enroll, NoteRefusedCredentials, RevokeToken, RotateToken
from licd_daemon.core.decide_sessions import vouch
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import (
    CredentialsRefused,
    SessionEnded,
    TokenCreated,
    TokenEnded,
    TokenRevoked,
    TokenRotated,
)
from licd_daemon.core.model import Actor, EndReason, Role, SessionStatus, State
from licd_daemon.core.refusal import Reason, Refused, no_credentials


def refuse_ended(state: State, actor: Actor | None) -> None:
    """Refuse what was asked for with a token that has ended since.

    Raises:
        Refused: NO_CREDENTIALS.
    """
    token = state.tokens.get(actor.id) if actor is not None else None
    if token is not None and token.revoked:
        raise no_credentials()


def create(draft: Draft, command: CreateToken) -> None:
    """A known hash is the same token; a revoked one stays revoked."""
    if command.token_hash not in draft.state.token_ids:
        draft.emit(
            TokenCreated(
                command.token_id, command.role, command.name, command.token_hash, command.ends_at, command.uses
            )
        )


def enroll(draft: Draft, command: Enroll) -> None:
    """A node gets a token of its own by a join token, which that uses up. Repeated, it is the same token.

    A secret that was known before is no fresh one: a node whose own token was revoked can't bring it back.
    """
    join = draft.state.tokens.get(command.actor.id) if command.actor is not None else None
    if join is None or join.role is not Role.JOIN:
        raise Refused(Reason.WRONG_ROLE, "Only a join token enrolls a node: licd token create join.")
    known = draft.state.tokens.get(draft.state.token_ids.get(command.token_hash, ""))
    if known is not None:
        if known.revoked or known.enrolled_by != join.token_id:
            raise no_credentials()
        return
    draft.emit(
        TokenCreated(command.token_id, Role.NODE, command.node_name, command.token_hash, enrolled_by=join.token_id)
    )
    if not draft.state.tokens[join.token_id].uses_left:
        draft.follow(TokenEnded(join.token_id))


def revoke(draft: Draft, command: RevokeToken) -> None:
    """Idempotent; the last admin token stays, or nobody could make another."""
    token = draft.state.tokens.get(command.token_id)
    if token is None or token.revoked:
        return
    if draft.state.is_only_admin(token):
        raise Refused(Reason.LAST_ADMIN_TOKEN, "This is the only admin token: create another before you revoke it.")
    draft.emit(TokenRevoked(command.token_id))
    _end_sessions(draft, command.token_id)


def rotate(draft: Draft, command: RotateToken) -> None:
    """A token gets another secret and stays what it is: streams and sessions go on.

    The only admin token keeps its secret for a while, for the new one might be lost on its way. Going back to the
    secret before is no such danger: somebody has it.
    """
    token = draft.state.tokens.get(command.token_id)
    if token is None or token.revoked:
        raise Refused(Reason.NO_SUCH_TOKEN, "No such token is in force: `licd token list` shows them.")
    back = command.token_hash == token.former_hash
    if not back and not command.overlap_ms and draft.state.is_only_admin(token):
        raise Refused(
            Reason.LAST_ADMIN_TOKEN,
            "This is the only admin token: rotate it with an overlap, or create another before.",
        )
    draft.emit(TokenRotated(command.token_id, command.token_hash, command.overlap_ms))


def end_tokens(draft: Draft) -> None:
    """End the tokens whose end has come, the earliest first."""
    for token in [draft.state.tokens[token_id] for token_id in draft.state.ending]:
        if token.over(draft.now) and not draft.state.is_only_admin(token):
            draft.emit(TokenEnded(token.token_id))
            _end_sessions(draft, token.token_id)


def _end_sessions(draft: Draft, token_id: str) -> None:
    """End what the token has opened, in the order of joining."""
    opened = (session for session in draft.state.sessions.values() if session.token_id == token_id)
    for session in sorted(opened, key=lambda session: session.number):
        if session.status is not SessionStatus.ENDED:
            vouch(draft, session)
            draft.follow(SessionEnded(session.session_id, EndReason.REVOKED))


def note_refused(draft: Draft, command: NoteRefusedCredentials) -> None:
    """A run of refused credentials is recorded; how often is the door's matter."""
    draft.emit(CredentialsRefused(command.count, command.addresses, command.since))
