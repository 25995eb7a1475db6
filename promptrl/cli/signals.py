"""Turns SIGINT, SIGTERM and SIGHUP into the wish to stop, so that a run is saved on its way out."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from promptrl.errors import StopRequestedError
from promptrl.llm.engine.stop import StopSignal


@contextmanager
def signals_as_errors() -> Iterator[StopSignal]:
    """Give what the first signal tells to stop; a second signal ends the process at once.

    While a model is asked the signal is only noted: what is in flight is finished first. Else it is raised where the
    main thread is, as ``StopRequestedError``. Off the main thread, where Python allows no handlers, nothing is watched.
    """
    wish = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    watched = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        watched.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in watched}

    def stop(number: int, frame: FrameType | None) -> None:
        for watched_number in watched:
            signal.signal(watched_number, signal.SIG_DFL)
        wish.request(number)
        if not wish.is_deferred:
            raise StopRequestedError(number)

    for number in watched:
        signal.signal(number, stop)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
