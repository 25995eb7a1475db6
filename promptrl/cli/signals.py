"""Turns SIGINT, SIGTERM and SIGHUP into the wish to stop, so that a run is saved on its way out.

A handler interrupts whatever the main thread does, also in the middle of a line on the screen: so it writes to no
stream. That a wish is noted is told by a thread; the last line of a process goes to the file descriptor itself.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from promptrl.errors import StopRequestedError
from promptrl.llm.engine.stop import StopSignal
from promptrl.outputs import STDERR

SHOW_CURSOR = "\x1b[?25h"
CANCELLED = "what was in flight is lost, answers before are kept."


@contextmanager
def signals_as_errors() -> Iterator[StopSignal]:
    """Give what the first signal tells to stop; a second one ends the process at once, with a line how to go on.

    While a model is asked the signal is only noted and told: what is in flight is finished first. Else it is raised
    where the main thread is, as ``StopRequestedError``. Off the main thread, where Python allows no handlers, nothing
    is watched.
    """
    wish = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    watched = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        watched.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in watched}
    is_heard = False
    with _told(wish) as noted:

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal is_heard
            if is_heard:
                _end_at_once(number, wish.files)
            is_heard = True
            wish.request(number)
            if not wish.is_deferred:
                raise StopRequestedError(number)
            noted.set()

        for number in watched:
            signal.signal(number, stop)
        try:
            yield wish
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _told(wish: StopSignal) -> Iterator[threading.Event]:
    """Give an event that makes a thread tell the wish, whatever the main thread is busy with."""
    noted, is_over = threading.Event(), threading.Event()

    def tell() -> None:
        noted.wait()
        if not is_over.is_set():
            wish.tell()

    thread = threading.Thread(target=tell, name="promptrl-stop", daemon=True)
    thread.start()
    try:
        yield noted
    finally:
        is_over.set()
        noted.set()
        thread.join()


def _end_at_once(number: int, files: tuple[Path, ...]) -> None:
    """Leave without another step of Python: a handler may have interrupted anything."""
    lines = [f"promptrl resume {file.parent} carries it on." for file in files]
    told = "\n".join((f"Stopped at once: {CANCELLED}", *lines))
    with suppress(OSError):
        cursor = SHOW_CURSOR if os.isatty(STDERR) else ""
        os.write(STDERR, f"{cursor}\n{told}\n".encode(errors="backslashreplace"))
    os._exit(128 + number)
