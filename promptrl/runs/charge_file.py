"""What the attempts of a run cost at most: written before each is sent, so that a kill hides none in flight."""

from contextlib import suppress
from pathlib import Path

from promptrl.llm.engine.reservations import Charges
from promptrl.runs.formats import CHARGE
from promptrl.runs.outcome_file import cut_torn_line, open_to_append
from promptrl.runs.reading import read_lines
from promptrl.runs.writing import write_line, writing

CHARGES_NAME = ".charges.jsonl"


class ChargeFile:
    """Appends to ``.charges.jsonl``; the last line of an attempt holds.

    Args:
        folder: Of the run; a line that an earlier process left torn is cut off first.

    Attributes:
        earlier: What earlier processes of the run were charged, or may be.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / CHARGES_NAME
        cut_torn_line(path)
        last = {row["attempt"]: row for row in read_lines(path, CHARGE)}
        self.earlier = Charges(
            attempts=max(last, default=0),
            tokens=sum(row["tokens"] for row in last.values()),
            cost_usd=sum(row["cost_usd"] for row in last.values()),
        )
        self._path, self._file = path, open_to_append(path)

    def note(self, attempt: int, tokens: int, cost_usd: float) -> None:
        """Append what an attempt costs as far as is known, and hand it to the operating system.

        Raises:
            RunFolderError: It can't be written.
        """
        with writing(self._path):
            write_line(self._file, {"attempt": attempt, "tokens": tokens, "cost_usd": cost_usd})
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # of what could not be written, whoever wrote it was told
            self._file.close()
