"""What a program holds as a config, as the plain data of a file."""

import math
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from promptrl.config import load_data
from promptrl.config.blocks import Issue
from promptrl.config.plain_data import plain
from promptrl.errors import ConfigError


class Metric(StrEnum):
    """Text under a name."""

    CHOICE = "choice"


GOOD: dict[str, Any] = {
    "name": "demo",
    "target": {"type": "local"},
    "prompt": {"text": "Classify."},
    "dataset": {"path": "rows.csv", "input": "q", "reference": "a"},
    "reward": {"metrics": [{"type": "choice"}]},
}
CYCLE: list[Any] = []
CYCLE += [CYCLE, CYCLE]


def test_what_says_the_same_is_the_same_config() -> None:
    """Scalars of numpy, views of mappings, tuples, paths, members of enums."""
    other = MappingProxyType(
        {
            **GOOD,
            "dataset": MappingProxyType({**GOOD["dataset"], "path": Path("rows.csv"), "limit": np.int64(60)}),
            "reward": {"metrics": ({"type": Metric.CHOICE, "weight": np.float32(0.5)},)},
            "gate": {"sequential": np.bool_(True)},
        }
    )
    same = {
        **GOOD,
        "dataset": {**GOOD["dataset"], "limit": 60},
        "reward": {"metrics": [{"type": "choice", "weight": 0.5}]},
        "gate": {"sequential": True},
    }
    assert load_data(other).config == load_data(same).config


@pytest.mark.parametrize(
    ("value", "key", "words"),
    [
        ({"seed": object()}, "seed", "got object, expected text, a number"),
        ({"budget": {"max_calls": np.zeros(3)}}, "budget.max_calls", "got ndarray"),
        ({"dataset": {"path": b"rows.csv"}}, "dataset.path", "got bytes"),
        ({"reward": {"metrics": [{"type": {"a"}}]}}, "reward.metrics.0.type", "got set"),
        ({"edits": CYCLE}, "edits", "nests more than 60 deep"),
        ({"seed": 10**5000}, "seed", "too large"),
        ({"seed": math.nan}, "seed", "expected a whole number"),
        ({"edits": {None: 1}}, "edits", "a key that is NoneType"),
    ],
)
def test_what_has_no_place_in_a_config_is_told_by_its_key(value: dict[str, Any], key: str, words: str) -> None:
    """Without a line: there is no file."""
    with pytest.raises(ConfigError) as caught:
        load_data({**GOOD, **value})
    problem = caught.value.problems[0]
    assert (problem.key, problem.line) == (key, None)
    assert words in problem.message


def test_everything_without_a_place_is_told_at_once() -> None:
    """Each with its key."""
    issues: list[Issue] = []
    assert plain({"a": {1}, "b": [object(), 2]}, issues) == {"a": None, "b": [None, 2]}
    assert [issue.path for issue in issues] == [("a",), ("b", "0")]
