"""R35: who makes the call that runs. The guard of each door says it once; whatever runs in the call's task may ask."""

from contextvars import ContextVar

from licd_daemon.core.model import Actor

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
