"""Metrics of summaries and translations: words in common with the reference, in order."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from promptrl.settings import Setting
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import AnswerRule, Score, in_quotes
from promptrl.tasks.metrics.words import split_words

_MOST_WORDS = 4000
"""Of a text: what follows counts for nothing, so that a model that never ends can't take minutes to grade."""

Gram = tuple[str, ...]


class _Overlap(AnswerRule):
    """What both share: the best of the accepted answers, and a reason that says what is missing."""

    __slots__ = ()

    def grade(self, text: str, example: Example) -> Score:
        """Compare the words, without case and punctuation around them, with those of each accepted answer."""
        words = split_words(text)[:_MOST_WORDS]
        answers = [split_words(answer)[:_MOST_WORDS] for answer in accepted_answers(example.reference)]
        value = self.likeness(words, answers)
        return Score(value, "" if value == 1 else _reason(words, answers[0], text))

    def likeness(self, words: Sequence[str], answers: Sequence[Sequence[str]]) -> float:
        """From 0 to 1, of words and accepted answers."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RougeL(_Overlap):
    """The longest sequence of words in common with the reference, also with others between them.

    The harmonic mean of its parts of both texts (ROUGE-L, Lin 2004, with beta 1); of several references the best one
    counts. Characters take the place of words in scripts without spaces.
    """

    summary: ClassVar[str] = "Longest common sequence of words with the reference (ROUGE-L)."

    def likeness(self, words: Sequence[str], answers: Sequence[Sequence[str]]) -> float:
        """ROUGE-L with the best of the answers."""
        return max(_f_of_lcs(words, answer) for answer in answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bleu(_Overlap):
    """Precision of word n-grams against the references, with a penalty for short answers.

    BLEU of one sentence (Papineni et al., 2002): lengths of n-grams that the answer is too short for are left out, and
    those without any match are smoothed by powers of a half, as sacrebleu does by default. Several references count
    together.
    """

    summary: ClassVar[str] = "Word n-grams in common with the reference (sentence BLEU)."

    n: Annotated[int, Setting("Words in the longest n-gram.", ge=1, le=10)] = 4

    def likeness(self, words: Sequence[str], answers: Sequence[Sequence[str]]) -> float:
        """BLEU against all answers."""
        if not words or not any(answers):
            return float(any(list(answer) == list(words) for answer in answers))
        precisions = list(_precisions(words, answers, self.n))
        if not any(hits for hits, _ in precisions):
            return 0.0
        closest = min((abs(len(answer) - len(words)), len(answer)) for answer in answers)[1]
        brevity = min(1.0, math.exp(1 - closest / len(words)))
        return min(1.0, brevity * math.exp(sum(_smoothed(precisions)) / len(precisions)))


def _f_of_lcs(words: Sequence[str], expected: Sequence[str]) -> float:
    if not words or not expected:
        return float(list(words) == list(expected))
    return 2 * _lcs_length(words, expected) / (len(words) + len(expected))


def _lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Words in the longest common subsequence, by bits of one whole number (Hyyrö 2004): fast for long texts."""
    places: dict[str, int] = {}
    for position, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << position
    everywhere = (1 << len(first)) - 1
    free = everywhere
    for word in second:
        taken = free & places.get(word, 0)
        free = (free + taken | free - taken) & everywhere
    return len(first) - free.bit_count()


def _precisions(words: Sequence[str], answers: Sequence[Sequence[str]], most: int) -> Iterator[tuple[int, int]]:
    """Matched n-grams and all n-grams of the words, for each length that the words have."""
    for n in range(1, min(most, len(words)) + 1):
        found, allowed = _grams(words, n), Counter[Gram]()
        for answer in answers:
            allowed |= _grams(answer, n)
        yield (found & allowed).total(), found.total()


def _smoothed(precisions: Sequence[tuple[int, int]]) -> Iterator[float]:
    """Logarithms of the precisions; the first without a match counts as half a match, the next as a quarter, ..."""
    share = 1.0
    for hits, total in precisions:
        if not hits:
            share /= 2
        yield math.log((hits or share) / total)


def _grams(words: Sequence[str], n: int) -> Counter[Gram]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _reason(words: Sequence[str], expected: Sequence[str], text: str) -> str:
    """The words of the reference that are missing, or else what came."""
    left, missing = Counter(words), []
    for word in expected:
        left[word] -= 1
        if left[word] < 0:
            missing.append(word)
    if missing and len(missing) < len(expected):
        return f"lacks {in_quotes(' '.join(missing))} in {in_quotes(text)}"
    return f"got {in_quotes(text)}, expected {in_quotes(' '.join(expected))}"
