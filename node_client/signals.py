"""The signals of licd-node: what it passes on, what ends it, and what its program starts with (R38)."""

import os
import signal
import threading
from collections.abc import Callable

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGWINCH")
PASSED = frozenset(getattr(signal, name) for name in _NAMES)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
FOR_GOOD = frozenset({signal.SIGTERM, signal.SIGINT})
"""Anyone who sends these to a running CMD wants an end: all its processes get them, and it is not started again.
Others may mean something to CMD."""
_KEPT = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ})
"""nohup and a shell's `&` ignore the first three on purpose, for the program too; Python itself ignores the others, and
subprocess restores them."""


def restore() -> None:
    """Undo what the parent ignored or blocked, so that children can be waited for and the program starts afresh.

    With SIGCHLD ignored the kernel reaps every child, and nobody learns how it ended.
    """
    for number in signal.valid_signals() - _KEPT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def passed() -> frozenset[signal.Signals]:
    """What is passed on: not what the parent wants ignored."""
    return frozenset(number for number in PASSED if signal.getsignal(number) is not signal.SIG_IGN)


def listen(put: Callable[[signal.Signals], object]) -> None:
    """Call `put` in a thread with each signal that is passed on; reap orphans, as PID 1 must.

    In the main thread, before any other thread starts: later threads leave the signals to the one that waits.
    """
    waited = passed() | {signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    threading.Thread(target=_listen, args=(waited, put), name="licd-node-signals", daemon=True).start()


def _listen(waited: frozenset[signal.Signals], put: Callable[[signal.Signals], object]) -> None:
    while True:
        number = signal.Signals(signal.sigwait(waited))
        if number is signal.SIGCHLD:
            _reap()
        else:
            put(number)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
