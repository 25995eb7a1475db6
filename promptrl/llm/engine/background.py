"""The one event loop of the process, in a daemon thread: synchronous code can have many calls under way."""

import asyncio
import atexit
import os
import threading

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By process id: a forked child has its parent's memory but not its threads."""


def background_loop() -> asyncio.AbstractEventLoop:
    """The running loop of this process; started on first use, closed at exit."""
    with _lock:
        if os.getpid() not in _loops:
            _loops[os.getpid()] = _start()
        return _loops[os.getpid()]


def _start() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="promptrl-calls", daemon=True)
    thread.start()
    atexit.register(_stop, loop, thread, os.getpid())
    return loop


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process_id: int) -> None:
    if process_id == os.getpid():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)
        if not loop.is_running():
            loop.close()
