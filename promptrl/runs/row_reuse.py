"""Counts how often test rows have been used: every reuse makes their next verdict worth a little less.

One line per use in ``.looks.jsonl`` of the runs folder, appended and never changed; it outlives the runs. A use is that
of each row, known by its input: other runs and other configs on the same rows count too, and rows that come, go or are
relabelled don't make the others new.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from promptrl.runs.writing import writing
from promptrl.tasks.dataset import Example, dataset_hash
from promptrl.tasks.splits import normalise_input

NAME = ".looks.jsonl"


def count_uses(runs_dir: Path, rows: Iterable[Example]) -> int:
    """How often these rows have been used so far: the mean over their different inputs, rounded."""
    return _rounded(share for _, share in _uses(runs_dir, list(rows)))


def record_use(runs_dir: Path, rows: Iterable[Example], subject: str) -> int:
    """Write a use down.

    Args:
        runs_dir: The runs folder; made if need be.
        rows: The test rows.
        subject: Who uses them, such as a run's id: the same one is written down once, however often it is resumed.

    Raises:
        RunFolderError: It can't be written.

    Returns:
        The number of this use, counted from 1.
    """
    used = list(rows)
    earlier: list[float] = []
    for name, share in _uses(runs_dir, used):
        if name == subject:
            return _rounded(earlier) + 1
        earlier.append(share)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path = runs_dir / NAME
    with writing(path):
        runs_dir.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            begin = "\n" if _is_torn(path) else ""
            file.write(begin + json.dumps({"rows": sorted(_inputs(used)), "subject": subject, "at": at}) + "\n")
    return _rounded(earlier) + 1


def _is_torn(path: Path) -> bool:
    """Whether the last line was not written to its end."""
    return path.read_bytes()[-1:] not in (b"", b"\n")


def _inputs(rows: Iterable[Example]) -> set[str]:
    """12 hex digits for each input."""
    texts = {normalise_input(row) for row in rows}
    return {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12] for text in texts}


def _rounded(shares: Iterable[float]) -> int:
    return math.floor(sum(shares) + 0.5)


def _uses(runs_dir: Path, rows: list[Example]) -> Iterator[tuple[str, float]]:
    """Who used any of these rows, in order, and what share of them; what is no such line, or torn, is passed over."""
    path = runs_dir / NAME
    if not path.is_file():
        return
    whole, inputs = dataset_hash(rows), _inputs(rows)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            look = json.loads(line)
        except (ValueError, RecursionError):
            continue
        used = look.get("rows") if isinstance(look, dict) else None
        if isinstance(used, list):
            share = len(inputs.intersection(map(str, used))) / max(len(inputs), 1)
        else:
            share = float(used == whole)  # written before rows were counted one by one
        if share > 0:
            yield str(look.get("subject")), share
