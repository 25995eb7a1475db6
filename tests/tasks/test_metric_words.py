"""Every metric that compares words reads them in the same way, in whatever script and typography they come."""

import time
from typing import Any

import pytest

from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS
from promptrl.tasks.metrics.words import clean, content_words, split_words
from tests.tasks.scored import scored

PARAMS: dict[str, dict[str, Any]] = {"regex": {"pattern": "(?s)(.+)", "group": 1}}
KINDS = ("exact_match", "choice", "contains", "f1", "regex")


def value(kind: str, text: str, reference: str) -> float:
    """The score of one answer, beside a row with another reference."""
    examples = [Example(str(i), {}, answer, {}) for i, answer in enumerate((reference, "something else"))]
    return scored(METRICS[kind](**PARAMS.get(kind, {})), text, examples).value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("“Paris”", "Paris"),
        ("«Paris»", "Paris"),
        ("« Paris »", "Paris"),
        ("„Paris“", "Paris"),
        ("‹Paris›", "Paris"),
        ("「巴黎」", "巴黎"),
        ("北京。", "北京"),
        ("東京！", "東京"),
        ("กรุงเทพฯ", "กรุงเทพฯ"),
        ("Paris…", "Paris"),
        ("¿Paris?", "Paris"),
        ("**Paris**", "Paris"),
        ("´Paris´", "Paris"),
        ("Pa\u00adris", "Paris"),
        ("Pa\u200bris", "Paris"),
        ("\ufeffParis", "Paris"),
        ("\u200eParis\u200f", "Paris"),
        ("Paris\u2060", "Paris"),
        ("می\u200cخواهم", "میخواهم"),
        ("❤\ufe0f", "❤"),
        ("Café", "Cafe\u0301"),
        ("Ａ１２", "A12"),
        ("٤٢", "42"),
        ("४२", "42"),
        ("ﬁne", "fine"),
        ("it’s", "it's"),
        ("well‑known", "well-known"),
        ("well‐known", "well-known"),
        ("1990–1995", "1990-1995"),
        ("−5", "-5"),
        ("New\u00a0York", "New York"),
        ("New\u3000York", "New York"),
        ("New\u202fYork", "New York"),
    ],
)
def test_how_it_is_written_does_not_matter(kind: str, text: str, reference: str) -> None:
    """Quotes, width, accents, hyphens, digits, invisible characters; as answer and as reference."""
    assert value(kind, text, reference) == 1
    assert value(kind, reference, text) == 1


@pytest.mark.parametrize("kind", ["contains", "choice"])
@pytest.mark.parametrize("reference", ["“Paris”", "«Paris»", "Paris.", "\u200bParis", "Ｐａｒｉｓ"])
def test_the_reference_is_found_in_a_sentence_however_it_is_written(kind: str, reference: str) -> None:
    """Its own quotes and full stop are not asked for."""
    assert value(kind, "I think it is Paris, France", reference) == 1
    assert value(kind, "I think it is London, England", reference) == 0


@pytest.mark.parametrize(
    ("text", "reference"), [("It is a dog", "A."), ("grade b", "A*"), ("15 apples", "5."), ("the Parisian", "“Paris”")]
)
def test_a_part_of_a_word_is_not_the_reference_without_its_marks(text: str, reference: str) -> None:
    """Less is asked for, and not found everywhere."""
    assert value("contains", text, reference) == 0


@pytest.mark.parametrize(("label", "other"), [("A*", "A"), ("A", "A*"), ("NET", ".NET"), (".NET", "NET"), ("C#", "C")])
def test_labels_that_differ_by_a_sign_are_two(label: str, other: str) -> None:
    """Alone and in a sentence."""
    for text in (label, f"“{label}”", f"Mine is {label}, I think."):
        examples = [Example(str(i), {}, answer, {}) for i, answer in enumerate((label, other))]
        assert scored(METRICS["choice"](), text, examples).value == 1
        assert scored(METRICS["choice"](), text, examples[::-1]).value == 0


@pytest.mark.parametrize("kind", ["exact_match", "f1"])
@pytest.mark.parametrize(("text", "reference"), [("35", "3.5"), ("5", "-5"), ("!", "?"), ("+", "-"), ("ou", "où")])
def test_what_makes_another_answer_counts(kind: str, text: str, reference: str) -> None:
    """A decimal point, a sign, an accent; punctuation when there is nothing else."""
    assert value(kind, text, reference) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_that_nobody_can_see_is_not_in_every_answer(kind: str) -> None:
    """It is itself and nothing else."""
    assert value(kind, "anything", "\u200b") == 0
    assert value(kind, "\u200b", "\u200b") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("北京市。", ["北", "京", "市"]),
        ("我在 Paris 住了3年", ["我", "在", "paris", "住", "了", "3", "年"]),
        ("東京タワー", list("東京タワー")),
        ("서울은", ["서", "울", "은"]),
        ("ไทย", list("ไทย")),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("The cat’s 3.5 kg!", ["cats", "3.5", "kg"]),
        ("Straße", ["strasse"]),
    ],
)
def test_f1_counts_characters_where_no_spaces_part_words(text: str, words: list[str]) -> None:
    """As the evaluations of MLQA and KorQuAD do."""
    assert content_words(text) == words


def test_f1_gives_part_of_a_point_in_chinese() -> None:
    """Two of three characters."""
    assert value("f1", "北京", "北京市") == pytest.approx(0.8)


def test_variety_is_counted_in_chinese_too() -> None:
    """By character; elsewhere by word without the marks around it."""
    assert split_words("好好，走。") == ["好", "好", ",", "走"]
    assert split_words("One, one; TWO.") == ["one", "one", "two"]


def test_cleaned_text_is_clean() -> None:
    """Cleaning it again changes nothing."""
    for text in ("“Ａ”\u200b", "a" + "\u0301" * 40, "ﬀ½Ⅷ", "が", "\u200b"):
        assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("kind", "text", "reference"),
    [
        ("exact_match", "a" + "\u0301\u0323" * 40_000, "a"),
        ("f1", "a" + "\u0301\u0323" * 40_000, "a"),
        ("json_valid", "```json\n{" + " " * 64_000, "a"),
        ("json_fields", "```json\n{" + " " * 64_000, '{"a": 1}'),
    ],
)
def test_no_text_takes_long_to_read(kind: str, text: str, reference: str) -> None:
    """The work grows with the length, not with its square: that took seconds."""
    example = Example("r", {}, reference, {})
    began_s = time.process_time()
    assert scored(METRICS[kind](), text, [example]).value == 0
    assert time.process_time() - began_s < 1
