"""Rules that compare words, on the answers that models really give."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Score
from tests.tasks.scored import scored


def graded(kind: str, text: str, reference: Any, also: tuple[Any, ...] = (), **params: Any) -> Score:
    """Score one answer; ``also`` are references of other rows."""
    examples = [Example(str(i), {}, answer, {}) for i, answer in enumerate((reference, *also))]
    return scored(METRICS[kind](**params), text, examples)


def value(kind: str, text: str, reference: Any, also: tuple[Any, ...] = (), **params: Any) -> float:
    """The score alone."""
    return graded(kind, text, reference, also, **params).value


class TestExactMatch:
    """The answer is the reference."""

    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            ("positive", "positive"),
            ("Positive.", "positive"),
            ("  **positive**\n", "positive"),
            ('"Positive!"', "positive"),
            ("`positive`", "positive"),
            ("New   York", "new york"),
            ("new\nyork", "New York"),
            ("ｐｏｓｉｔｉｖｅ", "positive"),
            ("cafe\u0301", "café"),
            ("- yes", "yes"),
            ("Straße", "STRASSE"),
            ("?", "?"),
            ("yes", ["no", "yes"]),
            ("true", True),
            ("3", 3),
        ],
    )
    def test_what_does_not_matter(self, text: str, reference: Any) -> None:
        """Case, spacing, punctuation around words, width, markup."""
        assert graded("exact_match", text, reference) == Score(1.0)

    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            ("35", "3.5"),
            ("5", "-5"),
            ("C", "C#"),
            ("A", "A-"),
            ("A", "A+"),
            ("5", "5%"),
            ("wellknown", "well-known"),
            ("its positive", "positive"),
            ("", "positive"),
            ("!", "?"),
            ("its", "it's"),
        ],
    )
    def test_what_matters(self, text: str, reference: str) -> None:
        """Signs inside and at words that make another word."""
        score = graded("exact_match", text, reference)
        assert score.value == 0
        assert repr(reference) in score.reason or reference in score.reason

    def test_it_can_be_strict(self) -> None:
        """Each leniency is a parameter."""
        assert value("exact_match", "Yes", "yes", ignore_case=False) == 0
        assert value("exact_match", "yes.", "yes", ignore_punctuation=False) == 0

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Let me think. Answer: yes", 1),
            ("Answer: no. Wait! Answer: yes", 1),
            ("Answer: yes. Answer: no", 0),
            ("yes", 1),
            ("thinking yes", 0),
            ("yes Answer:", 0),
        ],
    )
    def test_only_the_text_after_the_last_mark_counts(self, text: str, expected: float) -> None:
        """And all of it when there is no mark."""
        assert value("exact_match", text, "yes", after="Answer:") == expected


class TestChoice:
    """The answer names the right label and no other."""

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("positive", "positive"),
            ("The sentiment is Positive.", "positive"),
            ("**Label:** _negative_", "negative"),
            ("negative, definitely negative", "negative"),
            ("Not  Spam", "not spam"),
            ("I would say not spam here", "not spam"),
            ("spam", "spam"),
            ("It's 'spam'", "spam"),
            ("label=spam;", "spam"),
        ],
    )
    def test_a_label_is_found_in_a_sentence(self, text: str, label: str) -> None:
        """The longest first."""
        labels = ("positive", "negative", "spam", "not spam")
        assert graded("choice", text, label, labels) == Score(1.0)

    @pytest.mark.parametrize(
        "text",
        ["nonspam", "spammer", "anti-spam", "spam-free", "spam's", "not_spam", "spam_folder", "", "eggs"],
    )
    def test_a_part_of_a_longer_word_is_no_label(self, text: str) -> None:
        """Compounds mean something else."""
        score = graded("choice", text, "spam", ("ham",))
        assert score.value == 0
        assert score.reason.startswith("no label in")

    @pytest.mark.parametrize("text", ["positive or negative", "Not negative but positive", "NEGATIVE/positive"])
    def test_two_labels_are_ambiguous(self, text: str) -> None:
        """Even if one of them is right."""
        assert graded("choice", text, "positive", ("negative",)) == Score(0.0, "ambiguous: negative, positive")

    def test_another_label_is_wrong(self) -> None:
        """With what was found and what was expected."""
        assert graded("choice", "It is spam.", "ham", ("spam",)) == Score(0.0, "got spam, expected ham")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a", 1),
            ("A.", 1),
            ("(A)", 1),
            ("The answer is A", 1),
            ("It is a dog, so B", 0),
            ("Apple", 0),
            ("A or B", 0),
        ],
    )
    def test_single_letters_keep_their_case_in_a_sentence(self, text: str, expected: float) -> None:
        """A is a label, a is an article."""
        assert value("choice", text, "A", ("B", "C")) == expected

    @pytest.mark.parametrize(
        ("text", "expected"), [("1", 1), ("Rating: 1", 1), ("1.5", 0), ("-1", 0), ("10", 0), ("1,000", 0), ("1/5", 0)]
    )
    def test_digits_are_labels_only_when_they_are_the_number(self, text: str, expected: float) -> None:
        """Not a part of another one."""
        assert value("choice", text, "1", ("2", "5")) == expected

    @pytest.mark.parametrize("text", ["这是正面的。", "正面"])
    def test_labels_without_spaces_are_found(self, text: str) -> None:
        """Chinese puts none between words."""
        assert value("choice", text, "正面", ("负面",)) == 1

    @pytest.mark.parametrize(
        ("text", "label", "expected"), [("A+", "A+", 1), ("Grade: A+", "A+", 1), ("A+", "A", 0), ("Grade: A", "A", 1)]
    )
    def test_signs_belong_to_their_label(self, text: str, label: str, expected: float) -> None:
        """A+ is not A."""
        assert value("choice", text, label, ("A", "A+")) == expected

    def test_labels_can_be_named(self) -> None:
        """Then one that is in no row counts as found."""
        assert value("choice", "yes or maybe", "yes", ("no",), choices=("yes", "no", "maybe")) == 0
        assert value("choice", "yes or maybe", "yes", ("no",)) == 1

    def test_case_can_matter(self) -> None:
        """For labels that differ by it alone."""
        assert value("choice", "it is us", "US", ("us",), ignore_case=False) == 0
        assert value("choice", "it is US", "US", ("us",), ignore_case=False) == 1

    def test_labels_that_differ_by_case_are_one(self) -> None:
        """Data are rarely clean."""
        assert value("choice", "yes", "Yes", ("yes", "no")) == 1

    def test_several_labels_may_be_right(self) -> None:
        """A list means any of them."""
        assert value("choice", "It is cash", ["cash", "money"], ("card",)) == 1


class TestContains:
    """The reference occurs."""

    @pytest.mark.parametrize(
        ("text", "reference", "expected"),
        [
            ("The capital is Paris.", "paris", 1),
            ("new\n york", "New York", 1),
            ("London", "Paris", 0),
            ("Bombay it is", ["Mumbai", "Bombay"], 1),
            ("a 30 b", 30, 1),
        ],
    )
    def test_it_is_looked_for(self, text: str, reference: Any, expected: float) -> None:
        """Anywhere."""
        assert value("contains", text, reference) == expected

    def test_case_can_matter(self) -> None:
        """By parameter."""
        assert value("contains", "paris", "Paris", ignore_case=False) == 0


class TestRegex:
    """A pattern is found."""

    def test_a_match_is_enough_without_a_group(self) -> None:
        """No reference is needed."""
        assert value("regex", "ID-123", None, pattern=r"\d{3}") == 1
        assert graded("regex", "ID", None, pattern=r"\d{3}") == Score(0.0, "no match in 'ID'")

    @pytest.mark.parametrize(("text", "expected"), [("ID: a7 ", 1), ("ID: b7", 0), ("a7", 0), ("ID: ", 0)])
    def test_a_group_is_compared_with_the_reference(self, text: str, expected: float) -> None:
        """Of the first match."""
        assert value("regex", text, "a7", pattern=r"ID: (\w+)?", group=1) == expected

    def test_case_can_be_ignored(self) -> None:
        """In the pattern and in the comparison."""
        assert value("regex", "id: A7", "a7", pattern=r"ID: (\w+)", group=1) == 0
        assert value("regex", "id: A7", "a7", pattern=r"ID: (\w+)", group=1, ignore_case=True) == 1


class TestF1:
    """Words in common."""

    @pytest.mark.parametrize(
        ("text", "reference", "expected"),
        [
            ("the cat sat", "cat sat", 1),
            ("The Cat, sat!", "a cat sat", 1),
            ("cat", "cat sat", 2 / 3),
            ("cat cat", "cat", 2 / 3),
            ("dog", "cat", 0),
            ("", "cat", 0),
            ("the", "a", 1),
            ("a dog", ["cat", "big dog"], 2 / 3),
        ],
    )
    def test_it_counts_as_squad_does(self, text: str, reference: Any, expected: float) -> None:
        """Punctuation, case and articles do not count."""
        assert value("f1", text, reference) == pytest.approx(expected)

    def test_it_counts_after_the_mark(self) -> None:
        """As the other rules do."""
        assert value("f1", "so many words. Answer: cat", "cat", after="Answer:") == 1


class TestDistinctN:
    """Variety."""

    @pytest.mark.parametrize(
        ("text", "n", "expected"),
        [("a b a b a", 2, 2 / 4), ("a b c", 2, 1), ("A a", 1, 1 / 2), ("a", 2, 0), ("", 1, 0), ("a a a a", 3, 1 / 2)],
    )
    def test_it_is_the_share_of_distinct_ngrams(self, text: str, n: int, expected: float) -> None:
        """Li et al. (2016)."""
        assert value("distinct_n", text, None, n=n) == expected

    def test_the_reason_is_what_is_said_most_often(self) -> None:
        """With how often."""
        example = Example("row", {}, None, {})
        assert scored(METRICS["distinct_n"](), "so it goes, so it goes, so", [example]) == Score(
            0.5, "says 'so it' 2 times"
        )


@given(st.text(), st.text(min_size=1).filter(str.strip))
def test_any_text_scores_between_0_and_1(text: str, reference: str) -> None:
    """Nothing a model writes raises."""
    for kind in ("exact_match", "choice", "contains", "f1", "distinct_n"):
        assert 0 <= value(kind, text, reference) <= 1


@given(st.text(min_size=1).filter(str.strip))
def test_the_reference_itself_is_right(reference: str) -> None:
    """Whatever it is."""
    for kind in ("exact_match", "choice", "contains", "f1"):
        assert value(kind, reference, reference) == 1
