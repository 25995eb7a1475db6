"""The inputs of the toy tasks: distinct, repeatable, kept out of training, and their gold answers are true."""

import json
import re
from random import Random

import pytest

from promptrl.nano import inputs

NEGATIVE = set(inputs.BAD)


@pytest.mark.parametrize("task", inputs.TASKS)
def test_rows_are_distinct_and_fixed_by_the_seed(task: str) -> None:
    """The same seed gives the same rows, another seed others, and no row twice."""
    rows = inputs.generate(task, 200, 1)
    assert rows == inputs.generate(task, 200, 1)
    assert rows != inputs.generate(task, 200, 2)
    texts = [next(iter(row.values())) for row in rows]
    assert len(set(texts)) == 200
    assert all(inputs.is_held_out(text) for text in texts)


def test_an_unknown_task_is_named() -> None:
    """A task that does not exist is an error that lists those that do."""
    with pytest.raises(ValueError, match="arithmetic"):
        inputs.generate("algebra", 1, 0)


def test_sums_add_up() -> None:
    """Reading the numbers and verbs of the question gives the answer, and so do the steps."""
    gains = ("buys", "finds", "gets", "wins", "picks up")
    for row in inputs.generate("arithmetic", 300, 3):
        first, *changes = re.split(r"(?<=\.) ", row["question"])[:-1]
        total = int(re.findall(r"\d+", first)[0])
        for change in changes:
            n = int(re.findall(r"\d+", change)[0])
            total += n if any(f" {verb} " in change for verb in gains) else -n
        assert str(total) == row["answer"]
        for left, sign, right, result in re.findall(r"(\d+)([+-])(\d+)=(\d+)", row["steps"]):
            assert int(left) + (int(right) if sign == "+" else -int(right)) == int(result)
        assert row["steps"].endswith(f"={row['answer']}")


def test_labels_follow_the_clauses() -> None:
    """Counting adjectives and negations in the text gives the label; every label occurs often."""
    rows = inputs.generate("sentiment", 300, 3)
    for row in rows:
        clauses = re.findall(r"the \w+ (?:was|is) (not )?(?:really |very |so )?(\w+)", row["review"].lower())
        balance = sum(1 if (adjective in NEGATIVE) == bool(negated) else -1 for negated, adjective in clauses)
        assert row["label"] == ("positive" if balance > 0 else "negative" if balance < 0 else "neutral")
    counts = [sum(row["label"] == label for row in rows) for label in ("positive", "negative", "neutral")]
    assert min(counts) > 70


def test_records_hold_the_corrected_values() -> None:
    """The last city and the last quantity of a message are those of its record; about 40 % hold a correction."""
    rows = inputs.generate("extraction", 300, 3)
    corrected = 0
    for row in rows:
        record, message = json.loads(row["record"]), row["message"]
        numbers = [w for w in re.findall(r"\w+", message) if w.isdigit() or w in inputs.NUMBER_WORDS]
        cities = [w for w in re.findall(r"\w+", message) if w in inputs.CITIES]
        last = numbers[-1]
        assert record["quantity"] == (int(last) if last.isdigit() else inputs.NUMBER_WORDS.index(last))
        assert record["city"] == cities[-1]
        assert record["item"] in message
        assert record["name"] in message
        corrected += len(numbers) + len(cities) > 2
    assert 90 < corrected < 150


def test_letters_are_the_last_ones() -> None:
    """The letters are the last of each word, in order."""
    for row in inputs.generate("last_letters", 50, 3):
        assert row["letters"].split() == [w[-1] for w in re.findall(r"\w+", row["words"])]


def test_results_stay_within_two_digits() -> None:
    """No intermediate result of a sum leaves 1 to 86."""
    rng = Random(0)
    for _ in range(2000):
        x = inputs.make_sum(rng)
        assert all(1 <= int(step.split("=")[1]) <= 86 for step in x.steps)
