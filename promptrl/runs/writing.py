"""What writing into run folders has in common."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from promptrl.errors import RunFolderError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file inside which something is written.

    Raises:
        RunFolderError: It can't be: the disk is full, the folder is gone or may not be written to.
    """
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"can't write {path}: {error.strerror}") from error


def write_line(file: IO[str], row: Mapping[str, Any]) -> None:
    """Append an object to a JSONL file; nothing is flushed."""
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def put_on_disk(file: IO[str] | IO[bytes]) -> None:
    """Have what was written survive also the end of the whole machine."""
    file.flush()
    os.fsync(file.fileno())
