"""A request to end a run early, by a signal or by a file. What is in flight is still finished, nothing new is asked."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from promptrl.errors import StopRequestedError

_LOOK_S = 0.2


class StopSignal:
    """Set by a signal handler, checked by whoever calls a model; may be used from several threads."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._files: list[Path] = []
        self._listeners: list[Callable[[], None]] = []
        self._looked_s = -float("inf")
        self._deferring = 0
        self._lock = threading.Lock()

    @property
    def is_deferred(self) -> bool:
        """Whether someone is asking and will notice the wish without being interrupted."""
        return self._deferring > 0

    @property
    def is_requested(self) -> bool:
        """Whether the run should end; looks for the files five times a second at most."""
        if self._signal is None and self._files and time.monotonic() - self._looked_s >= _LOOK_S:
            self._looked_s = time.monotonic()
            if any(file.is_file() for file in self._files):
                self.request(signal.SIGINT)
        return self._signal is not None

    def request(self, signal_number: int) -> None:
        """Ask the run to end, as this signal would."""
        self._signal = signal_number

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are taken for the wish now; each lies in the folder of its run."""
        return tuple(self._files)

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Let someone hear of a wish that is only noted while inside; who came last hears it for all."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def tell(self) -> None:
        """Let it be heard that what is in flight is finished first; not to be called by a signal handler."""
        for listener in self._listeners[-1:]:
            listener()

    def check(self) -> None:
        """Make sure that nobody wants the run to end.

        Raises:
            StopRequestedError: Somebody does.
        """
        if self.is_requested and self._signal is not None:
            raise StopRequestedError(self._signal)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a signal only be noted inside, not raised: the caller looks at ``is_requested`` some times a second."""
        with self._lock:
            self._deferring += 1
        try:
            yield
        finally:
            with self._lock:
                self._deferring -= 1

    @contextmanager
    def by_file(self, file: Path) -> Iterator[None]:
        """Take the file for a wish to end while inside; it is removed before, if it is there, and afterwards."""
        _remove(file)
        self._files.append(file)
        try:
            yield
        finally:
            self._files.remove(file)
            _remove(file)


def _remove(file: Path) -> None:
    """Take the wish away; a folder of its name is none, and what can't be removed must not end a run."""
    with suppress(OSError):
        file.unlink()
