"""Standard output and standard error of a command: who writes to which, and what becomes of a run that nobody watches.

Data goes to standard output, and code of the user's writes nothing there. Text for people goes to standard error, and
that it can't be written ends nothing.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from promptrl.errors import OutputLostError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT, STDERR = 1, 2


class _ForPrograms(io.FileIO):
    """Standard output: that it can't be written is raised once; what is still to be written then is dropped."""

    is_lost = False

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write, and say how many bytes are dealt with.

        Raises:
            OutputLostError: Nothing can be written any more.
        """
        if not self.is_lost:
            try:
                return super().write(content)
            except OSError as error:
                self.is_lost = True
                raise OutputLostError(error) from error
        return memoryview(content).nbytes


class _ForPeople(io.FileIO):
    """Standard error: what can't be written is dropped; the next text is tried again, for a full disk may have room."""

    fault = ""

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write or drop, and say how many bytes are dealt with."""
        try:
            return super().write(content)
        except OSError as error:
            self.fault = error.strerror or str(error)
            return memoryview(content).nbytes


class _Outputs:
    """What belongs to the process, as its two streams do.

    Attributes:
        data: Standard output while ``sys.stdout`` stands for another stream.
        people: Standard error of a command.
    """

    data: TextIO | None = None
    people: _ForPeople | None = None


def guard_outputs() -> None:
    """Take both streams over for the rest of the process; to be called once, by what is a command.

    What writes to the file descriptor of standard output itself, such as a library in C or a program that is started,
    reaches standard error. On Windows the console is no file, and all stays as it is.
    """
    if sys.platform == "win32":
        return
    while (opened := os.open(os.devnull, os.O_RDWR)) <= STDERR:  # a closed one would be that of the next file opened
        os.set_inheritable(opened, True)
    os.close(opened)
    data, _Outputs.people = _ForPrograms(os.dup(STDOUT), "wb"), _ForPeople(STDERR, "wb", closefd=False)
    os.dup2(STDERR, STDOUT)
    sys.stdout, sys.stderr = _text(data, sys.stdout), _text(_Outputs.people, sys.stderr)


def data_output() -> TextIO:
    """Where data goes: standard output, also while code of the user's may print."""
    return _Outputs.data or sys.stdout


def people_fault() -> str:
    """Why text for people was dropped; empty when none was."""
    return _Outputs.people.fault if _Outputs.people else ""


@contextmanager
def prints_for_people() -> Iterator[None]:
    """While inside, whatever is printed by code of the user's goes to standard error."""
    kept = sys.stdout
    _Outputs.data, sys.stdout = kept, sys.stderr
    try:
        yield
    finally:
        _Outputs.data, sys.stdout = None, kept


def _text(raw: io.FileIO, like: TextIO | None) -> TextIO:
    """A text stream over a file, with the encoding of another; without one, as Python makes them."""
    encoding, errors = (like.encoding, like.errors) if like is not None else ("utf-8", "backslashreplace")
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=True)
