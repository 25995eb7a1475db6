"""What looks odd about rows is told with its lines, and what is in order is not."""

from collections.abc import Sequence
from typing import Any

import pytest

from promptrl.tasks.data_checks import data_warnings, label_counts
from promptrl.tasks.data_file import DataFile, builtin_names, load_rows
from promptrl.tasks.dataset import Columns, build_examples

COLUMNS = Columns(reference="a", placeholders=("q",))
LABELS = ["positive", "negative"] * 20


def warnings(answers: Sequence[Any], questions: Sequence[str] = (), columns: Columns = COLUMNS) -> list[str]:
    """What is told of rows with these references, the first of them in line 2."""
    asked = [*questions, *(f"text {at}" for at in range(len(questions), len(answers)))]
    rows = [{"q": question, "a": answer} for question, answer in zip(asked, answers, strict=True)]
    file = DataFile("rows.csv", rows, range(2, len(rows) + 2))
    return [str(found) for found in data_warnings(file, build_examples(file, columns).by_position)]


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("pos", "positive"),
        ("Positive ", "positive"),
        ("POSITIVE.", "positive"),
        ("postive", "positive"),
        ("Ｐositive", "positive"),
        ("- positive", "positive"),
        ("neg", "negative"),
    ],
)
def test_ways_to_write_a_label_are_told(label: str, kept: str) -> None:
    """With the line, and what they stand beside."""
    (warning,) = warnings([*LABELS, label])
    assert f'"{label}" in line 42 beside "{kept}" (20 rows)' in warning
    assert warning.startswith("rows.csv:42: dataset.reference: ")


@pytest.mark.parametrize("rows", [["ham", "Ham ", "ham", "spam"], ["ham", "ham", "Ham ", "spam", "spam", "egg", "N/A"]])
def test_a_few_rows_show_that_a_label_is_written_in_two_ways(rows: list[str]) -> None:
    """What stands for no answer is no label more."""
    (warning,) = [text for text in warnings(rows) if "may be one label" in text]
    assert '"Ham " in line' in warning


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\x0b", "\x7f", "\x96", "\ufeff", "\ufffd", chr(0xD83D)])
@pytest.mark.parametrize("is_asked", [True, False])
def test_control_characters_are_told(sign: str, is_asked: bool) -> None:
    """In what the model is shown and in known good answers, each with its lines."""
    questions = ["fine", f"a{sign}b" if is_asked else "c"]
    answers = [f"answer {at}" for at in range(11)] + ["x", f"x{sign}"]
    (warning,) = warnings(answers if not is_asked else answers[:12], questions)
    assert f"nobody types: U+{ord(sign):04X} in line {3 if is_asked else 14} (" in warning
    assert warning.startswith(f"rows.csv:{3 if is_asked else 14}: dataset: ")


def test_several_kinds_of_control_characters_are_one_warning() -> None:
    """The first three, in order; line ends and tabs are typed."""
    signs = ["\t", "\r\n", "\x05", "\x01\x05", "\x02", "\x03", "\xa0", "\u200d"]
    (warning,) = warnings([f"answer {at}" for at in range(8)], [f"q {at} {sign}." for at, sign in enumerate(signs)])
    assert "U+0001 in line 5; U+0002 in line 6; U+0003 in line 7; and 1 more" in warning


def test_numbers_may_be_written_in_two_ways() -> None:
    """As pandas does where a cell of the column is empty."""
    (warning,) = warnings(["1", "0"] * 10 + ["1.0"])
    assert '"1.0" in line 22 beside "1"' in warning


@pytest.mark.parametrize(
    "labels",
    [
        ["card", "card arrival", "card_delivery", "cash"] * 10,
        ["1", "10", "2", "20"] * 10,
        ["yes", "no"] * 10,
        ["A", "B", "C", "D"] * 10,
        ["possible", "impossible"] * 10,
        [*["relevant"] * 25, *["irrelevant"] * 3],
        [*["unlikely"] * 25, *["likely"] * 3],
        ["A", "A+", "A-", "B"] * 10,
        ["C", "C++", "C#"] * 10,
        ["<5", ">5", "≥5"] * 10,
        [1000001, 1000002, 1000003] * 10,
        ["12345678901234567890", "12345678901234567891"] * 10,
        ["1e999999999", "1e999999998"] * 10,
        [f"answer {at}" for at in range(40)],
        [{"a": 1}, ["x", "y"]] * 10,
    ],
)
def test_labels_that_differ_are_no_variants(labels: list[Any]) -> None:
    """Nor are the words of free answers."""
    assert warnings(labels) == []


@pytest.mark.parametrize("answer", ["N/A", " na", "?", "#NV", "k.A."])
def test_references_that_say_nothing_are_told(answer: str) -> None:
    """A model that knows the answer would be scored 0."""
    (warning,) = warnings([*(f"answer {at}" for at in range(40)), answer])
    assert f'looks like a missing one: "{answer}" in line 42' in warning


def test_contradictory_rows_are_told_with_both_answers() -> None:
    """But not those that say the same in another way."""
    questions = ["Is it?", "is  it?", "Was it?", "Was it?"]
    found = warnings(["yes", "no", "Yes", "yes.", *(f"answer {at}" for at in range(20))], questions)
    (warning,) = (told for told in found if "contradictory" in told)
    assert 'an input has contradictory answers: "Is it?" in lines 2, 3 ("yes", "no")' in warning


def test_long_numbers_that_differ_contradict_each_other() -> None:
    """To the last digit."""
    (warning,) = warnings([1234567, 1234568, *(f"answer {at}" for at in range(20))], ["How many?", "How many?"])
    assert "contradictory answers" in warning


def test_rows_that_say_the_same_again_are_told() -> None:
    """Once, all of them but the first of each."""
    questions = ["Is it?", "is  it?", "Is it?", "Was it?", "was it?"]
    (warning,) = warnings(["yes", "Yes.", "yes", "no", "no", *(f"answer {at}" for at in range(20))], questions)
    assert "rows.csv:3: dataset: 3 rows say what an earlier one says: lines 3, 4, 6" in warning


def test_rows_that_differ_in_another_field_contradict_nothing() -> None:
    """Whichever column is named as the input."""
    rows = [{"q": "Same?", "context": str(at), "a": f"answer {at}"} for at in range(20)]
    file = DataFile("rows.csv", rows)
    columns = Columns("q", "a", placeholders=("context", "q"))
    assert list(data_warnings(file, build_examples(file, columns).by_position)) == []


def test_references_that_stand_in_the_input_are_told() -> None:
    """A prompt that has them copied would win."""
    answers = [f"answer {at}" for at in range(20)]
    (warning,) = warnings(answers, [f"What is it? (Solution: {answer})" for answer in answers])
    assert "the reference stands word for word in the input of 20 of 20 rows, as in line 2" in warning
    assert warnings(answers, [f"What is it? {answer}0" for answer in answers]) == []
    assert len(warnings(answers, [f"{answer}0, or {answer.upper()}" for answer in answers])) == 1


def test_choices_that_every_input_lists_give_nothing_away() -> None:
    """The right one stands among the wrong ones."""
    colours = ["red", "green", "blue"]
    assert warnings(colours * 10, [f"{at}: red, green or blue?" for at in range(30)]) == []


def test_what_was_taken_for_granted_is_told() -> None:
    """In the words of what read the file."""
    file = DataFile("rows.csv", [{"q": "x", "a": "y"}], notes=("semicolons divide its cells",))
    (warning,) = data_warnings(file, {})
    assert (str(warning), warning.is_warning) == ("rows.csv: dataset: semicolons divide its cells", True)


@pytest.mark.parametrize("name", builtin_names())
def test_nothing_is_odd_about_the_bundled_data(name: str) -> None:
    """A warning that is always there is not read."""
    file = load_rows(f"builtin:{name}")
    question, reference = list(file.rows[0])[:2]
    built = build_examples(file, Columns(reference=reference, placeholders=(question,)))
    assert built.problems == ()
    assert list(data_warnings(file, built.by_position)) == []


def test_labels_are_counted_where_they_are_few() -> None:
    """Of free answers there is nothing to count."""
    columns = Columns(reference="a", placeholders=("q",))
    rows = [{"q": str(at), "a": label} for at, label in enumerate([*LABELS, "positive"])]
    examples = build_examples(DataFile("r", rows), columns).by_position.values()
    assert label_counts(list(examples)) == {"positive": 21, "negative": 20}
    free = build_examples(DataFile("r", [{"q": "x", "a": str(at)} for at in range(20)]), columns).by_position
    assert label_counts(list(free.values())) is None
