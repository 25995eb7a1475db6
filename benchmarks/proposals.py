"""Worlds of edits that a large language model wrote for the bundled model's two tasks, blind to its training.

``pool:FOLDER/NAME.jsonl`` has a line ``{slot, op, text, ...}`` for each of some 80 edits of ``configs/NAME.yaml``: a
space of millions of prompts. The bundled model answers when it is asked; what it scored is kept in ``OUT`` and read
again. The seed shuffles the rows: half of them are fresh, and a perfect answer to each of these is the oracle's.
"""

import asyncio
import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.kept import CONFIGS, components_of
from benchmarks.tables import grade, open_scorers
from benchmarks.worlds import FloatArray, World
from promptrl.evaluation.outcome import Ask
from promptrl.experiment.build import Components
from promptrl.llm.base import Completion
from promptrl.llm.targets.local import LocalTarget
from promptrl.prompts.building import make_slot_space
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

POOL = "pool:"
OUT = Path("runs/benchmark-pools.sqlite")
ORDER = ("role", "task", "reasoning", "rules", "format", "care")
FRESH_ROWS, VALIDATION_ROWS, TRAIN_ROWS = 200, 100, 200


Key = tuple[str, str]
"""A prompt of a task, and a row."""


class KeptScores:
    """What was scored before, in a file that several runs may share.

    Args:
        path: Of the file, which is made at need.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
        columns = "prompt TEXT, row TEXT, score REAL, PRIMARY KEY (prompt, row)"
        self._file.execute(f"CREATE TABLE IF NOT EXISTS scores ({columns})")

    def find(self, key: Key) -> float | None:
        """The score, None when there is none yet."""
        found = self._file.execute("SELECT score FROM scores WHERE prompt = ? AND row = ?", key).fetchone()
        return None if found is None else float(found[0])

    def keep(self, scores: Mapping[Key, float]) -> None:
        """Write scores down."""
        self._file.executemany(
            "INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", [(*key, score) for key, score in scores.items()]
        )


class AskedAnswers:
    """Answers of the bundled model, each asked once for all runs.

    Args:
        parts: The task.
        fresh: Rows that say what a prompt is worth.
    """

    def __init__(self, parts: Components, fresh: Sequence[Example]) -> None:
        self._parts = parts
        self._fresh = tuple(fresh)
        self._scorers = open_scorers(parts)
        self._kept = KeptScores(OUT)

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """What the answers score, those kept of earlier runs included."""
        keys = [(f"{self._parts.loaded.config.name}/{prompt.prompt_id}", row.id) for prompt, row in asks]
        known = {key: self._kept.find(key) for key in keys}
        missing = {key: ask for key, ask in zip(keys, asks, strict=True) if known[key] is None}
        completions = self._complete(list(missing.values()))
        new = {
            key: grade(self._parts, self._scorers, row, completion)["objective"]
            for (key, (_, row)), completion in zip(missing.items(), completions, strict=True)
        }
        self._kept.keep(new)
        return np.array([new.get(key, known[key]) for key in keys], dtype=np.float64)

    def fresh_score(self, prompt: Prompt) -> float:
        """Its mean score on the fresh rows."""
        return float(self.objectives([(prompt, row) for row in self._fresh]).mean())

    def overall_score(self, prompt: Prompt) -> float:
        """The same: other rows are dear."""
        return self.fresh_score(prompt)

    def _complete(self, asks: Sequence[Ask]) -> list[Completion]:
        params = self._parts.loaded.target.request_params

        async def complete_all() -> list[Completion]:
            questions = [target.complete(prompt.render(row.fields), params) for prompt, row in asks]
            return list(await asyncio.gather(*questions))

        runner, target = _model()
        return runner.run(complete_all())


@lru_cache(maxsize=1)
def _model() -> tuple[asyncio.Runner, LocalTarget]:
    """The bundled model, and the loop that it answers in."""
    return asyncio.Runner(), LocalTarget("nano")


def pools(folder: Path) -> list[Path]:
    """The pools in a folder."""
    return sorted(folder.glob("*.jsonl"))


def make_pool_world(path: Path, seed: int) -> World:
    """A pool with rows shuffled by the seed."""
    parts = components_of(CONFIGS / f"{path.stem}.yaml")
    rows = (*parts.splits.train, *parts.splits.validation, *parts.splits.test)
    order = np.random.default_rng(seed).permutation(len(rows))
    fresh, validation, train = np.split(order, [FRESH_ROWS, FRESH_ROWS + VALIDATION_ROWS])
    return World(
        kind=f"{POOL}{path}",
        seed=seed,
        space=_space(path, parts),
        train=tuple(rows[i] for i in train[:TRAIN_ROWS]),
        validation=tuple(rows[i] for i in validation),
        answers=AskedAnswers(parts, [rows[i] for i in fresh]),
        oracle_score=1.0,
    )


def _space(path: Path, parts: Components) -> EditSpace:
    """Every proposed text as an option of its slot; the task of the config is the baseline."""
    texts: defaultdict[str, list[str]] = defaultdict(lambda: [""])
    texts["task"] = [parts.space.baseline.slot("task")]
    for line in path.read_text(encoding="utf-8").splitlines():
        edit = json.loads(line)
        texts[edit["slot"]].append(edit["text"])
    return make_slot_space({slot: list(dict.fromkeys(texts[slot])) for slot in ORDER}, parts.space.baseline.user.text)
