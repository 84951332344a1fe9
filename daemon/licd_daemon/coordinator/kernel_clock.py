"""Whether the kernel says that its clock is synchronised: adjtimex(2), read only (R22, R23).

It counts only where its clock is the one that this process sees: a process may live with a clock of its own.
"""

import ctypes

from licd_daemon.core.effective import SourceOffset

_STA_UNSYNC = 0x40
_TIME_ERROR = 5
_LARGEST_ERROR_MS = 1000.0
_SAME_CLOCK_MS = 2000.0


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long),
        ("rest", ctypes.c_long * 32),
    )


def kernel_offset(wall_ms: float) -> SourceOffset | None:
    """The wall clock's offset by the kernel; None: it knows none, or has another clock.

    Args:
        wall_ms: The wall clock that this process sees.
    """
    timex = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return judged(state, timex.status, timex.maxerror / 1000, timex.seconds * 1000.0, wall_ms)


def judged(state: int, status: int, error_ms: float, kernel_ms: float, wall_ms: float) -> SourceOffset | None:
    """What the answer of adjtimex means (see `kernel_offset`).

    Args:
        state: Its result; -1: it failed; 5: not synchronised.
        status: Its STA_ bits.
        error_ms: Its `maxerror`.
        kernel_ms: Its time, in whole seconds.
        wall_ms: The wall clock that this process sees.
    """
    synchronised = 0 <= state < _TIME_ERROR and not status & _STA_UNSYNC
    if not synchronised or error_ms > _LARGEST_ERROR_MS or abs(kernel_ms - wall_ms) > _SAME_CLOCK_MS:
        return None
    return SourceOffset("of the kernel", 0.0, error_ms)
