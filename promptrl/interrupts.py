"""Turns SIGINT and SIGTERM into an error in the main thread, so that a run is saved on its way out."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from promptrl.errors import StopRequestedError


@contextmanager
def signals_as_errors() -> Iterator[None]:
    """Raise ``StopRequestedError`` on the first signal; a second one ends the process at once.

    Off the main thread, where Python allows no handlers, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def stop(number: int, frame: FrameType | None) -> None:
        for watched_number in watched:
            signal.signal(watched_number, signal.SIG_DFL)
        raise StopRequestedError(number)

    for number in watched:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
