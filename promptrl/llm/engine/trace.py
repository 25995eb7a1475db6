"""The debug log: one JSON object a line for every attempt, without secrets and without the texts that were sent."""

import json
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from promptrl.errors import UsageError


class TraceWarning(UserWarning):
    """The debug log can't be written any more; the run goes on without it."""


class TraceFile:
    """Appends to a file; may be used from several threads. What can't be written any more is given up, with a warning.

    Args:
        path: The file; its folder must be there.

    Raises:
        UsageError: It can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise UsageError(f"the debug log {path} can't be written: {error.strerror}") from error

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """Write one line; none after the file is closed."""
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.write(line.encode("utf-8", errors="backslashreplace"))
            except OSError as error:
                self._file.close()
                fault = f"the debug log {self._path} can't be written any more: {error.strerror}"
                warnings.warn(f"{fault}; the run goes on without it", TraceWarning, stacklevel=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()
