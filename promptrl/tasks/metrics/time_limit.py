"""Ends code that takes too long, in the thread in which it runs.

In the main thread a signal does it, which ends waits and regular expressions too. Elsewhere, and where there are no
such signals, an exception is put into the thread: it ends Python code, but a call that is out of Python's hands goes on
until it returns.
"""

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class OutOfTimeError(BaseException):
    """The time is over; no ``Exception``, so that code which catches all of those is ended too."""


def in_time(seconds: float, work: Callable[[], T]) -> T:
    """What the work gives, if that takes no longer.

    Args:
        seconds: Of time as it passes; infinite for no limit.
        work: Called in this thread.

    Raises:
        OutOfTimeError: It took longer, or there is no time at all.
    """
    if seconds <= 0:
        raise OutOfTimeError
    if seconds > threading.TIMEOUT_MAX:
        return work()
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _before_alarm(seconds, work)
    return _uninterrupted(seconds, work)


def _before_alarm(seconds: float, work: Callable[[], T]) -> T:
    """A timer of the system raises in the main thread; one that was set before goes on afterwards."""
    is_over = has_rung = False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal has_rung
        if not is_over:
            has_rung = True
            raise OutOfTimeError

    began_s = time.monotonic()
    left_s, interval_s = signal.getitimer(signal.ITIMER_REAL)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            result = work()
        finally:
            is_over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, left_s - (time.monotonic() - began_s)), interval_s)
    if has_rung:  # work that catches everything has caught this
        raise OutOfTimeError
    return result


def _uninterrupted(seconds: float, work: Callable[[], T]) -> T:
    """A timer in a thread of its own puts the exception into this one."""
    thread = ctypes.c_ulong(threading.get_ident())
    is_over = has_rung = False
    lock = threading.Lock()

    def ring() -> None:
        nonlocal has_rung
        with lock:
            if not is_over:
                has_rung = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(OutOfTimeError))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    try:
        timer.start()
        result = work()
    finally:
        with lock:
            is_over = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # one that has not arrived yet
        timer.cancel()
    if has_rung:
        raise OutOfTimeError
    return result
