"""Counts how often test rows have been used: every reuse makes their next verdict worth a little less.

One line per use in ``.looks.jsonl`` of the runs folder, appended and never changed; it outlives the runs. Rows are
known by their content, so other runs and other configs on the same test rows count too.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from promptrl.runs.writing import writing
from promptrl.tasks.dataset import Example, dataset_hash

NAME = ".looks.jsonl"


def count_uses(runs_dir: Path, rows: Iterable[Example]) -> int:
    """How often these rows have been used so far."""
    return len(_uses(runs_dir, dataset_hash(rows)))


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
    key = dataset_hash(rows)
    uses = _uses(runs_dir, key)
    if subject in uses:
        return uses.index(subject) + 1
    line = json.dumps({"rows": key, "subject": subject, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    path = runs_dir / NAME
    with writing(path):
        runs_dir.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return len(uses) + 1


def _uses(runs_dir: Path, key: str) -> list[str]:
    """Who used these rows, in order; a line that a killed process left torn is passed over."""
    path = runs_dir / NAME
    if not path.is_file():
        return []
    subjects = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            look = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(look, dict) and look.get("rows") == key:
            subjects.append(str(look.get("subject")))
    return subjects
