"""The debug log: one JSON object a line for every attempt, without secrets and without the texts that were sent."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from promptrl.errors import UsageError


class TraceFile:
    """Appends to a file; may be used from several threads.

    Args:
        path: The file; its folder must be there.

    Raises:
        UsageError: It can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise UsageError(f"the debug log {path} can't be written: {error.strerror}") from error

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """Write one line; none after the file is closed."""
        with self._lock:
            if not self._file.closed:
                self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()
