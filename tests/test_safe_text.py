"""What models, data sets and servers wrote can be shown and compared without harm."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.safe_text import MOST_MARKS, canonical, printable


def test_commands_to_a_terminal_are_replaced() -> None:
    """Controls of both sets, DEL and lone surrogates leave a mark; line breaks and tabs stay."""
    clean = printable("a\x1b[2J\x00\x7f\x9b31mb\ud800\r\n\tc")
    assert clean == "a\ufffd[2J\ufffd\ufffd\ufffd31mb\ufffd\n\tc"
    clean.encode("utf-8")


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\U000e0041"])
def test_marks_that_turn_or_hide_text_are_left_out(hidden: str) -> None:
    """What is shown is what is there, in the order in which it is there."""
    assert printable(f"pay{hidden}pal") == "paypal"


def test_joiners_that_scripts_and_emoji_need_stay() -> None:
    """A family is one sign, and Persian keeps its spelling."""
    for text in ("👨\u200d👩\u200d👧", "می\u200cخواهم", "❤\ufe0f", "naïve – “quoted”"):
        assert printable(text) == text


@given(st.text(st.characters()))
def test_nothing_a_terminal_acts_on_is_left(text: str) -> None:
    """Whatever the text; a second pass changes nothing, and any file takes it."""
    clean = printable(text)
    assert not [char for char in clean if (ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160]
    assert printable(clean) == clean
    clean.encode("utf-8")


def test_a_long_text_says_how_much_is_missing() -> None:
    """At the end, or in the middle where the end matters."""
    assert printable("abcdefghij", 4) == "abcd… (6 characters more)"
    assert printable("abcdefghij", 4, keep_end=True) == "ab … (6 characters more) …ij"
    assert printable("abcd", 4) == "abcd"


@given(st.text())
def test_text_is_in_canonical_unicode(text: str) -> None:
    """As Unicode says, for all text that is written anywhere."""
    assert canonical(text) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0323\u0301\u05b0"])
def test_a_heap_of_marks_is_no_work(marks: str) -> None:
    """80,000 of them took five seconds; a row or an answer may hold any number."""
    began_s = time.process_time()
    text = canonical(f"a{marks * 40_000}b")
    assert time.process_time() - began_s < 1
    assert (text[-1], len(text) <= 2 + MOST_MARKS) == ("b", True)
