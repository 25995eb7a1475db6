"""Worlds of recorded answers: score tables of whole edit spaces, and logs of prompts on a public data set.

A table (``tables/NAME.npz``) holds the objective of every prompt of ``configs/NAME.yaml`` on the 200 rows that
``tables.py --rows 200`` chooses. A log is a CSV whose first column is the row and every other one a prompt, with the
score in each cell; ``prompts.json`` beside it may give the texts. Nobody came with any of these prompts, so the
baseline is the one at the lower quartile of the means: there is something to gain.

The seed shuffles the rows: 35 % train, 15 % validation, 25 % fresh, 25 % oracle.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.kept import CONFIGS, TABLES, components_of, read_table
from benchmarks.tables import Table, choose_rows
from benchmarks.worlds import FloatArray, World, baseline_first, make_list_space, make_rows
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

SPLIT = (0.35, 0.5, 0.75)
"""Where train, validation and fresh rows end."""
TIE = 1e-9


class Recorded:
    """Answers from a matrix.

    Args:
        prompts: One a line, the baseline first.
        scores: Objective, shape (prompts, rows).
        rows: Its columns.
        seed: Of the split.
    """

    def __init__(self, prompts: Sequence[Prompt], scores: FloatArray, rows: Sequence[Example], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(rows))
        ends = [int(share * len(rows)) for share in SPLIT]
        self._train, self._validation, self._fresh, self._oracle = np.split(order, ends)
        self._scores = scores
        self._rows = tuple(rows)
        self._column = {row.id: i for i, row in enumerate(rows)}
        self._line = _lines(tuple(prompts))

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """As recorded."""
        lines = [self._line[prompt.prompt_id] for prompt, _ in asks]
        return self._scores[lines, [self._column[row.id] for _, row in asks]]

    def fresh_score(self, prompt: Prompt) -> float:
        """The mean of the fresh columns."""
        return float(self._scores[self._line[prompt.prompt_id], self._fresh].mean())

    def overall_score(self, prompt: Prompt) -> float:
        """The mean of all columns."""
        return float(self._scores[self._line[prompt.prompt_id]].mean())

    def world(self, kind: str, seed: int, space: EditSpace) -> World:
        """The record as a world."""
        chosen_by = self._scores[:, self._oracle].mean(1)
        best = chosen_by >= chosen_by.max() - TIE
        return World(
            kind=kind,
            seed=seed,
            space=space,
            train=tuple(self._rows[i] for i in self._train),
            validation=tuple(self._rows[i] for i in self._validation),
            answers=self,
            oracle_score=float(self._scores[best][:, self._fresh].mean()),
        )


def table_names() -> list[str]:
    """Names of the tables that are kept here."""
    return sorted(path.stem for path in TABLES.glob("*.npz"))


def make_table_world(name: str, seed: int) -> World:
    """A bundled task by its table."""
    space, table, rows = _read_table(name)
    return Recorded(table.prompts, table.scores["objective"], rows, seed).world(name, seed, space)


def logs(folder: Path) -> Iterator[Path]:
    """The logs in a folder and below: files that end in ``correct.csv``."""
    return iter(sorted(folder.rglob("*correct.csv")))


def make_log_world(path: Path, seed: int) -> World:
    """A log as a space of one slot."""
    aliases, scores = _read_log(path)
    texts = _texts(path.parent / "prompts.json")
    space, prompts = make_list_space([texts.get(alias, alias) for alias in aliases])
    rows = make_rows([str(i) for i in range(scores.shape[1])])
    return Recorded(prompts, scores, rows, seed).world(f"log:{path}", seed, space)


@lru_cache(maxsize=4)
def _read_table(name: str) -> tuple[EditSpace, Table, tuple[Example, ...]]:
    parts = components_of(CONFIGS / f"{name}.yaml")
    table = read_table(TABLES / f"{name}.npz", parts)
    return parts.space, table, choose_rows(parts, table.scores["objective"].shape[1])


@lru_cache(maxsize=4)
def _lines(prompts: tuple[Prompt, ...]) -> dict[str, int]:
    return {prompt.prompt_id: i for i, prompt in enumerate(prompts)}


@lru_cache(maxsize=4)
def _read_log(path: Path) -> tuple[list[str], FloatArray]:
    """Prompts and scores, shape (prompts, rows), the baseline first."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    scores = np.array([[float(cell) for cell in line[1:]] for line in lines]).T
    order = baseline_first(scores.mean(1))
    return [header[1 + i] for i in order], scores[order]


def _texts(path: Path) -> Mapping[str, str]:
    """Text by alias."""
    if not path.is_file():
        return {}
    return {item["alias"]: item["text"].strip() for item in json.loads(path.read_text(encoding="utf-8"))}
