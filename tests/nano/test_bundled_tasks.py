"""The bundled data sets: made by the script beside nano, large enough, unseen in training."""

import json

import pytest

from promptrl.nano.inputs import is_held_out
from promptrl.nano.tasks import BUNDLED, DATA, bundled_text

INPUTS = {"arithmetic": "question", "sentiment": "review", "extraction": "message"}


@pytest.mark.parametrize("task", BUNDLED)
def test_the_files_are_what_the_script_writes(task: str) -> None:
    """Nobody edited them by hand, and the generator still writes the same bytes."""
    assert (DATA / f"{task}.jsonl").read_text(encoding="utf-8") == bundled_text(task)


@pytest.mark.parametrize("task", BUNDLED)
def test_rows_are_many_and_different_and_unseen(task: str) -> None:
    """At least 400 rows, no input twice, none that training may see."""
    rows = [json.loads(line) for line in (DATA / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {row[INPUTS[task]] for row in rows}
    assert len(rows) == len(texts) >= 400
    assert all(map(is_held_out, texts))
