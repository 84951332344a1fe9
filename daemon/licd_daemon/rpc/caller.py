"""R35: who makes the call that runs. The guard of each door says it once; whatever runs in the call's task may ask."""

from contextvars import ContextVar

from licd_daemon.core.model import Actor, Role

_CALLER: ContextVar[Actor] = ContextVar("caller")


def caller() -> Actor:
    """The actor of the call that this task, or the one that started it, serves.

    Raises:
        LookupError: The call needs no credentials, so nobody was identified.
    """
    return _CALLER.get()


def called_by(actor: Actor) -> None:
    """Keep the actor of the call that this task serves. Each call has a task, and so a context, of its own."""
    _CALLER.set(actor)


def may_scan() -> bool:
    """R35: whether the caller sees what a phone registers or releases by. A viewer does not: each works for anyone.

    Raises:
        LookupError: As `caller`.
    """
    return caller().role is Role.ADMIN
