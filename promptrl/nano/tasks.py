"""Writes the bundled data sets into ``promptrl/tasks/data``: ``python -m promptrl.nano.tasks``.

They are inputs of the toy tasks that nano's training never saw, with their gold answers: rows of JSON Lines, one file
per task, reachable in a config as ``builtin:arithmetic`` and so on. The same call writes the same bytes.
"""

import json
from pathlib import Path

from promptrl.nano.inputs import generate

BUNDLED = ("arithmetic", "sentiment", "extraction")
N_ROWS = 600
SEED = 20
DATA = Path(__file__).parent.parent / "tasks" / "data"


def bundled_text(task: str) -> str:
    """The content of a task's data file."""
    return "".join(json.dumps(row) + "\n" for row in generate(task, N_ROWS, SEED))


def main() -> None:
    """Write the bundled data files anew, the same bytes every time, and print the size of each."""
    DATA.mkdir(exist_ok=True)
    for task in BUNDLED:
        path = DATA / f"{task}.jsonl"
        path.write_text(bundled_text(task), encoding="utf-8")
        print(f"{path}: {N_ROWS} rows, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
