"""ROUGE-L and BLEU: the numbers of the packages that everybody compares with, and texts at the edges."""

import random
import time

import pytest

from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Score
from promptrl.tasks.metrics.overlap import Bleu, RougeL
from tests.tasks.scored import scored

MAT = "the cat sat on the mat"
FOX = ["the quick brown fox jumps over the lazy dog", "a quick brown fox jumped over a dog"]
PARTY = [
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command of the party",
]


def score(kind: str, text: str, reference: object, **settings: object) -> Score:
    """What the metric gives."""
    return scored(METRICS[kind](**settings), text, [Example("row", {}, reference, {})])


@pytest.mark.parametrize(
    ("text", "reference", "rouge_l", "bleu", "bleu_2"),
    [
        (MAT, MAT, 1.0, 1.0, 1.0),
        (MAT, "the cat is on the mat", 0.833333, 0.379918, 0.707107),
        ("the the the the the the the", "the cat is on the mat", 0.307692, 0.078098, 0.154303),
        ("a cat", "a cat sat on the mat", 0.5, 0.135335, 0.135335),
        ("on mat the cat the sat", MAT, 0.5, 0.213644, 0.447214),
        ("the quick brown fox jumped over the lazy dog again", FOX, 0.842105, 0.765206, 0.894427),
        (
            "it is a guide to action which ensures that the military always obeys the commands of the party",
            PARTY,
            0.647059,
            0.504567,
            0.745356,
        ),
        ("dog", "the cat", 0.0, 0.0, 0.0),
    ],
)
def test_the_numbers_are_those_of_rouge_score_and_sacrebleu(
    text: str, reference: object, rouge_l: float, bleu: float, bleu_2: float
) -> None:
    """rouge-score 0.1.2 (rougeL) and sacrebleu 2.6.0 (effective order, words as they stand)."""
    found = [score("rouge_l", text, reference), score("bleu", text, reference), score("bleu", text, reference, n=2)]
    assert [each.value for each in found] == pytest.approx([rouge_l, bleu, bleu_2], abs=1e-6)


@pytest.mark.parametrize("kind", ["rouge_l", "bleu"])
class TestBoth:
    """What holds for both."""

    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            ("The Cat sat, on the mat!", MAT),
            ("“The cat” sat on\u00a0the mat.", MAT),
            ("Lima", ["Cusco", "Lima"]),
            ("", ""),
            ("東京タワー", "東京タワー"),
            ("42", 42),
        ],
    )
    def test_the_same_words_are_1(self, kind: str, text: str, reference: object) -> None:
        """However they are written, and whichever of several references they are."""
        assert score(kind, text, reference) == Score(1.0)

    @pytest.mark.parametrize(("text", "reference"), [("", "x"), ("x", ""), ("…", "the cat"), ("\x00\ud800", "the cat")])
    def test_nothing_in_common_is_0(self, kind: str, text: str, reference: object) -> None:
        """Nor is it an error."""
        assert score(kind, text, reference).value == 0.0

    def test_only_the_text_after_a_marker_counts(self, kind: str) -> None:
        """As for every metric that compares with a reference."""
        assert score(kind, f"Thinking of dogs. Answer: {MAT}", MAT, after="Answer:") == Score(1.0)

    def test_the_reason_says_what_is_missing(self, kind: str) -> None:
        """Or, where nothing is there, what was expected."""
        assert score(kind, "the cat sat", MAT).reason == "lacks 'on the mat' in 'the cat sat'"
        assert score(kind, "a dog", MAT).reason == f"got 'a dog', expected '{MAT}'"

    def test_an_endless_answer_takes_no_time(self, kind: str) -> None:
        """A model that never ends is cut off."""
        begun_s = time.monotonic()
        assert score(kind, "word and " * 200_000, "another " * 5000 + "word").value < 0.1
        assert time.monotonic() - begun_s < 5


def test_characters_are_the_words_of_scripts_without_spaces() -> None:
    """Half of the characters in order are half of the words."""
    assert score("rouge_l", "東京", "東京タワ").value == pytest.approx(2 / 3)


def test_the_common_sequence_is_that_of_the_textbook() -> None:
    """The table of all prefixes is slow, and right."""
    rng = random.Random(1)
    for _ in range(200):
        first, second = ([rng.choice("abcd") for _ in range(rng.randint(1, 12))] for _ in range(2))
        table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
        for i, a in enumerate(first, 1):
            for j, b in enumerate(second, 1):
                table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
        expected = 2 * table[-1][-1] / (len(first) + len(second))
        assert RougeL().likeness(first, [second]) == expected


def test_bleu_stays_between_0_and_1() -> None:
    """For any words."""
    rng = random.Random(2)
    for _ in range(300):
        words, *answers = ([rng.choice("abc") for _ in range(rng.randint(0, 8))] for _ in range(3))
        assert 0.0 <= Bleu(n=3).likeness(words, answers) <= 1.0
