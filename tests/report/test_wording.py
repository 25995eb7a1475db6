"""How a report puts what became of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.report import wording
from promptrl.report.wording import Piece, word_diff

WORDS = st.lists(st.sampled_from(["a", "bb", "the", "sum", "\n", "x."]), max_size=12).map(" ".join)


def test_added_words_are_new_and_the_rest_is_the_same() -> None:
    """Nothing else is marked."""
    assert word_diff("Add it.", "Add it. Be brief.") == [Piece("same", "Add it."), Piece("new", " Be brief.")]


def test_words_that_stayed_by_chance_are_not_picked_out() -> None:
    """A text that was replaced is struck out whole, and the new one stands beside it."""
    pieces = word_diff("Three experts debate this question, each in turn:", "Let's work on this with a clear head:")
    assert [piece.change for piece in pieces] == ["gone", "new"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Be kind. Add the two.", "Add the two.", [Piece("gone", "Be kind. "), Piece("same", "Add the two.")]),
        ("Add the two. Be kind.", "Add the two.", [Piece("same", "Add the two."), Piece("gone", " Be kind.")]),
        (
            "A. Add the two. B.",
            "Add the two.",
            [Piece("gone", "A. "), Piece("same", "Add the two."), Piece("gone", " B.")],
        ),
    ],
)
def test_a_sentence_that_stays_is_the_same_wherever_it_ends_up(before: str, after: str, expected: list[Piece]) -> None:
    """The blank beside a dropped sentence goes, and no word of the next one with it."""
    assert word_diff(before, after) == expected


def test_a_word_that_fills_pages_is_compared_at_once() -> None:
    """Each of its places could be any other: only what surely stayed is said to be the same."""
    pieces = word_diff("Start. " + "a " * 9_000 + "b.", "Start. c " + "a " * 8_000 + "d.")
    assert [piece.change for piece in pieces] == ["same", "gone", "new"]
    assert pieces[0].text == "Start. "


@given(WORDS, WORDS)
def test_a_diff_holds_both_texts(before: str, after: str) -> None:
    """What was not added is the old text, what was not struck out the new one."""
    pieces = word_diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.change != "gone").strip() == after.strip()
    assert "".join(piece.text for piece in pieces if piece.change != "new").strip() == before.strip()


def test_answers_that_were_none_are_told_with_what_helps() -> None:
    """A verdict over them alone would be one of nothing."""
    calls = {"search": 100, "validation": 40, "test": 9}
    same = {"prompt_id": "a", "test": None}
    doubt = {"kind": "faults", "is_blind": True, "text": "none"}
    result = {"faults": {"no_answer": 149}, "calls": calls, "baseline": same, "winner": same}
    result |= {"doubts": [doubt], "verdict": "inconclusive"}
    assert wording.faults(result) == (
        "149 of 149 answers have a fault and scored 0: 149 cut off before the answer began "
        "(raise target.params.max_tokens)."
    )
    assert wording.headline(result) == "Little could be measured: most answers were none."
    assert wording.faults({"faults": {}, "calls": calls}) == ""
    assert wording.doubts(result) == []


def test_a_verdict_that_stands_is_told_whatever_is_doubted() -> None:
    """Edits can cure what the baseline suffers from."""
    before, after = (
        {"prompt_id": name, "test": {"score": score, "rows": 9}} for name, score in (("a", 0.0), ("b", 1.0))
    )
    doubts = [
        {"kind": "faults", "is_blind": True, "text": "half are none"},
        {"kind": "cut_off", "is_blind": False, "text": "some are cut off"},
    ]
    result = {"verdict": "improved", "baseline": before, "winner": after, "improvement": {"test": {"rows": 9}}}
    assert wording.headline(result | {"doubts": doubts}).startswith("The new prompt is better")
    assert wording.doubts({"doubts": doubts}) == ["some are cut off"]


def test_lines_and_sentences_that_stay_are_the_same_among_many_that_go() -> None:
    """Headings of a word or two as well: nobody would see what is gone where all is struck out."""
    before = (
        "# Task\n\nYou sort. Be kind to all.\n\nThe labels are: a, b, c. Name one.\n\n"
        "## Form\n\nUse JSON:\n\n{}\n\nNo more."
    )
    after = "Role: clerk.\n# Task\n\nThe labels are: a, b, c.\n\n## Form\n\nNo more."
    assert word_diff(before, after) == [
        Piece("new", "Role: clerk.\n"),
        Piece("same", "# Task"),
        Piece("gone", "\n\nYou sort. Be kind to all."),
        Piece("same", "\n\nThe labels are: a, b, c."),
        Piece("gone", " Name one."),
        Piece("same", "\n\n## Form"),
        Piece("gone", "\n\nUse JSON:\n\n{}"),
        Piece("same", "\n\nNo more."),
    ]
