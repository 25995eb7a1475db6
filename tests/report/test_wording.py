"""How a report puts things: differences of texts, hostile text, figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.report.wording import Piece, duration, money, p_value, points, printable, word_diff

WORDS = st.lists(st.sampled_from(["a", "bb", "the", "sum", "\n", "x."]), max_size=12).map(" ".join)


def test_added_words_are_new_and_the_rest_is_the_same() -> None:
    """Nothing else is marked."""
    assert word_diff("Add it.", "Add it. Be brief.") == [Piece("same", "Add it."), Piece("new", " Be brief.")]


def test_words_that_stayed_by_chance_are_not_picked_out() -> None:
    """A text that was replaced is struck out whole, and the new one stands beside it."""
    pieces = word_diff("Three experts debate this question, each in turn:", "Let's work on this with a clear head:")
    assert [piece.change for piece in pieces] == ["gone", "new"]


@given(WORDS, WORDS)
def test_a_diff_holds_both_texts(before: str, after: str) -> None:
    """What was not added is the old text, what was not struck out the new one."""
    pieces = word_diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.change != "gone").strip() == after.strip()
    assert "".join(piece.text for piece in pieces if piece.change != "new").strip() == before.strip()


def test_hostile_characters_are_made_harmless() -> None:
    """Controls, marks that turn the direction of text, lone surrogates; line breaks and tabs stay."""
    clean = printable("a\x1b[2J\x00\u202eb\ud800\r\n\tc")
    assert clean == "a\ufffd[2J\ufffdb?\n\tc"
    clean.encode("utf-8")


def test_a_long_text_says_how_much_is_missing() -> None:
    """At the end, or in the middle where the end matters."""
    assert printable("abcdefghij", 4) == "abcd… (6 characters more)"
    assert printable("abcdefghij", 4, keep_end=True) == "ab … (6 characters more) …ij"
    assert printable("abcd", 4) == "abcd"


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (75, "1 min 15 s"), (7300, "2 h 1 min")])
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """The largest ones."""
    assert duration(seconds) == text


def test_figures_are_set_with_care() -> None:
    """True minus signs, unknown is not nothing, tiny p-values are not zero."""
    assert points(-0.123) == "−12.3"
    assert (money(None), money(0), money(0.12345), money(12)) == ("unknown", "no cost", "$0.1235", "$12.00")
    assert p_value(1e-9) == "<\u00a00.0001"
