"""Worlds of instructions that language models wrote for one task, answered by real models (Mizrahi et al. 2024).

The folder holds ``accuracies.csv.gz`` (benchmark, task, template_id, model, accuracy) and ``templates.csv``
(benchmark, task, template_id, template); every pair of task and model whose templates differ by more than noise is a
world: one slot with all templates. What was published is the accuracy of a template over 100 questions, not which
ones: whether the answer to a row is right is drawn once for each pair of template and row, all rows alike. Half of the
models are for tuning on (``templates-tuning:FOLDER``), the other half, never looked at meanwhile, for claims
(``templates-claims:FOLDER``). The seed says which pair, and what is drawn.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.worlds import FloatArray, World, baseline_first, make_list_space, make_rows
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.prompt import Prompt

Part = Literal["tuning", "claims"]

TEMPLATES: Mapping[Part, str] = {"tuning": "templates-tuning:", "claims": "templates-claims:"}
"""What the names of their worlds begin with; the folder follows."""
LEAST_SPREAD = 0.04
"""Standard deviation of the accuracies below which nothing can be told apart with a few hundred answers."""
LEAST_TEMPLATES = 50
TRAIN_ROWS, VALIDATION_ROWS = 200, 100


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one task.

    Attributes:
        task: Name of the task.
        model: Name of the model.
        texts: The templates, all different, the one at the lower quartile first: it is the baseline.
        accuracies: Their accuracies, shape (len(texts),).
    """

    task: str
    model: str
    texts: tuple[str, ...]
    accuracies: FloatArray


class DrawnAnswers:
    """Whether a prompt is right on a row: drawn once for each pair.

    Args:
        prompts: One for each accuracy.
        accuracies: The chance that an answer is right, shape (len(prompts),).
        n_rows: Rows that may be asked.
        seed: Of the drawing.
    """

    def __init__(self, prompts: Sequence[Prompt], accuracies: FloatArray, n_rows: int, seed: int) -> None:
        self._line = {prompt.prompt_id: i for i, prompt in enumerate(prompts)}
        self._accuracies = accuracies
        drawn = np.random.default_rng(seed).random((len(prompts), n_rows))
        self._is_right = drawn < accuracies[:, None]

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """1 where the answer is right, else 0."""
        lines = [self._line[prompt.prompt_id] for prompt, _ in asks]
        return self._is_right[lines, [int(row.id) for _, row in asks]].astype(np.float64)

    def fresh_score(self, prompt: Prompt) -> float:
        """The published accuracy."""
        return float(self._accuracies[self._line[prompt.prompt_id]])

    def overall_score(self, prompt: Prompt) -> float:
        """The same: no row differs from another."""
        return self.fresh_score(prompt)


def make_template_world(folder: Path, part: Part, seed: int) -> World:
    """One cell of a part; seeds beyond their number begin anew with other answers."""
    cells = read_cells(folder, part)
    cell = cells[seed % len(cells)]
    space, prompts = make_list_space(cell.texts)
    rows = make_rows([str(i) for i in range(TRAIN_ROWS + VALIDATION_ROWS)])
    return World(
        kind=f"{TEMPLATES[part]}{folder}",
        seed=seed,
        space=space,
        train=rows[:TRAIN_ROWS],
        validation=rows[TRAIN_ROWS:],
        answers=DrawnAnswers(prompts, cell.accuracies, len(rows), seed),
        oracle_score=float(cell.accuracies.max()),
    )


@lru_cache(maxsize=2)
def read_cells(folder: Path, part: Part) -> list[Cell]:
    """Every cell of a part, tasks and models in turn, so that the first few seeds are of many kinds."""
    texts = {(line["task"], line["template_id"]): line["template"] for line in _lines(folder / "templates.csv")}
    accuracies: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for line in _lines(folder / "accuracies.csv.gz"):
        text = texts.get((line["task"], line["template_id"]))
        if text:
            accuracies[line["task"], line["model"]].setdefault(" ".join(text.split()), float(line["accuracy"]))
    models = sorted({model for _, model in accuracies})
    wanted = models[0::2] if part == "tuning" else models[1::2]
    cells = [_cell(task, model, found) for (task, model), found in accuracies.items() if model in wanted]
    cells = [c for c in cells if c.accuracies.std() >= LEAST_SPREAD and len(c.texts) >= LEAST_TEMPLATES]
    order = np.random.default_rng(0).permutation(len(cells))
    return [sorted(cells, key=lambda c: (c.task, c.model))[i] for i in order]


def _cell(task: str, model: str, accuracy_of: dict[str, float]) -> Cell:
    texts, accuracies = list(accuracy_of), np.array(list(accuracy_of.values()))
    order = baseline_first(accuracies)
    return Cell(task, model, tuple(texts[i] for i in order), accuracies[order])


def _lines(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
