"""Rules that compare words: exact_match, choice, contains, regex, f1, distinct_n."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self

from promptrl.errors import Problem
from promptrl.settings import Setting, Text
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import (
    AnswerRule,
    IgnoreCase,
    Refusal,
    Rule,
    Score,
    in_quotes,
    parameter_error,
    right_or_wrong,
)
from promptrl.tasks.metrics.patterns import PatternError, compiled, search
from promptrl.tasks.metrics.words import UNSPACED, clean, content_words, normalise_words, split_words, without_quotes

MAX_LABELS = 200

_MARKDOWN_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactMatch(AnswerRule):
    """The completion is the reference.

    Or one of them when it is a list.
    """

    summary: ClassVar[str] = "1 when the completion is the reference."

    ignore_case: IgnoreCase = True
    ignore_punctuation: Annotated[bool, Setting("Punctuation does not count.")] = True

    def grade(self, text: str, example: Example) -> Score:
        """1 when the text is one of the accepted answers, word for word, else 0."""
        answers = accepted_answers(example.reference)
        is_right = self._canonical(text) in map(self._canonical, answers)
        return right_or_wrong(is_right, f"got {in_quotes(text)}, expected {in_quotes(answers[0])}")

    def _canonical(self, text: str) -> str:
        return normalise_words(text, ignore_case=self.ignore_case, ignore_punctuation=self.ignore_punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(AnswerRule):
    """The completion names the right label and no other.

    Labels are found as whole words anywhere in the text, the longest first, so that "not spam" is not "spam" and a
    label inside a longer word does not count. A label of one letter is found in a sentence only in its own case ("a" is
    an article). Two different labels are ambiguous: 0.
    """

    summary: ClassVar[str] = "1 when the completion names the right label and no other."

    choices: Annotated[
        tuple[Text, ...] | None, Setting("The labels; null takes those that occur in the data.", min_length=2)
    ] = None
    ignore_case: IgnoreCase = True

    def problems(self) -> Iterator[Problem]:
        """No label may stand there twice, letter case and outer blanks aside."""
        seen: set[str] = set()
        for position, label in enumerate(self.choices or ()):
            folded = label.strip().casefold() if self.ignore_case else label.strip()
            if folded in seen:
                yield Problem(f"choices.{position}", f'the label "{label}" is there twice')
            seen.add(folded)

    def fitted(self, references: tuple[Any, ...]) -> Self:
        """Take the labels from the data when the config names none."""
        given = self.choices
        labels = given or sorted({answer.strip() for reference in references for answer in accepted_answers(reference)})
        folded = {self._canonical(label): label.strip() for label in reversed(labels)}
        if len(folded) > MAX_LABELS:
            message = f"is missing, and the data have {len(folded)} different labels"
            raise parameter_error("choices", message, "name the labels, or use exact_match")
        return replace(self, choices=tuple(folded.values()))

    def refusal(self, reference: Any) -> Refusal | None:
        """The right label must be among the labels."""
        choices = self.choices or ()
        labels = {self._canonical(label) for label in choices}
        unknown = [answer for answer in accepted_answers(reference) if self._canonical(answer) not in labels]
        why = f"is none of the choices {', '.join(choices[:8])}"
        return Refusal(in_quotes(unknown[0]), why) if unknown else None

    def grade(self, text: str, example: Example) -> Score:
        """Find the labels in the text."""
        found = self._labels_in(text)
        if not found:
            return Score(0.0, f"no label in {in_quotes(text)}")
        if len(found) > 1:
            return Score(0.0, f"ambiguous: {', '.join(sorted(found))}")
        answers = accepted_answers(example.reference)
        is_right = self._canonical(found[0]) in map(self._canonical, answers)
        return right_or_wrong(is_right, f"got {found[0]}, expected {answers[0]}")

    def _labels_in(self, text: str) -> list[str]:
        choices = self.choices or ()
        for canonical in (self._canonical, self._bare):  # A* is A only where no other label is
            for label in choices:
                if canonical(text) == canonical(label):
                    return [label]
        found = []
        rest = _MARKDOWN_UNDERSCORES.sub(" ", clean(text))
        for label, pattern in _label_patterns(choices, ignore_case=self.ignore_case):
            rest, count = pattern.subn("\0", rest)
            if count:
                found.append(label)
        return found

    def _canonical(self, label: str) -> str:
        return without_quotes(normalise_words(label, ignore_case=self.ignore_case))

    def _bare(self, label: str) -> str:
        return normalise_words(label, ignore_case=self.ignore_case, ignore_punctuation=True)


@lru_cache(maxsize=64)
def _label_patterns(labels: tuple[str, ...], *, ignore_case: bool) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each label and its pattern, the longest first."""
    longest_first = sorted(labels, key=lambda label: (-len(label), label))
    return tuple((label, _label_pattern(label, ignore_case=ignore_case)) for label in longest_first)


def _label_pattern(label: str, *, ignore_case: bool) -> re.Pattern[str]:
    """The label as a whole word: no letter, digit, hyphen or apostrophe joins it to another."""
    bare = without_quotes(normalise_words(label, ignore_case=False))
    body = r"\s+".join(map(re.escape, bare.split(" ")))
    first, last = bare[:1], bare[-1:]
    before = r"(?<![^\W" + UNSPACED + r"])(?<![^\W" + UNSPACED + r"]['’-])(?<!\d[.,])"
    before += r"(?<![-−])" if first.isdigit() else ""
    after = r"(?![^\W" + UNSPACED + r"])(?!['’-][^\W" + UNSPACED + r"])(?![.,]\d)"
    pattern = (before if first.isalnum() else "") + body + (after if last.isalnum() else "")
    is_letter = len(bare) == 1 and bare.isalpha()
    return re.compile(pattern, re.IGNORECASE if ignore_case and not is_letter else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(AnswerRule):
    """The reference occurs in the completion.

    Or one of them when it is a list; spacing does not matter, nor do quotes around the reference
    and the mark at its end.
    """

    summary: ClassVar[str] = "1 when the reference occurs in the completion."

    ignore_case: IgnoreCase = True

    def grade(self, text: str, example: Example) -> Score:
        """1 when an accepted answer occurs anywhere in the text, else 0."""
        answers = accepted_answers(example.reference)
        haystack = normalise_words(text, ignore_case=self.ignore_case)
        is_right = any(self._is_in(haystack, answer) for answer in answers)
        return right_or_wrong(is_right, f"no {in_quotes(answers[0])} in {in_quotes(text)}")

    def _is_in(self, haystack: str, answer: str) -> bool:
        """As it stands, or without its quotes and full stop as a whole word: "A." is not in every text with an a."""
        needle = normalise_words(answer, ignore_case=self.ignore_case)
        bare = without_quotes(needle)
        if needle in haystack or bare == needle:
            return needle in haystack
        is_word = len(bare) > 1 or not bare.isascii()
        return is_word and _label_pattern(bare, ignore_case=self.ignore_case).search(haystack) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex(Rule):
    """A pattern matches the completion.

    With a group, the group's text in the first match must be the reference.
    """

    summary: ClassVar[str] = "1 when the pattern is found (and its group is the reference)."

    pattern: Annotated[str, Setting("A Python regular expression, searched in the completion.", min_length=1)]
    group: Annotated[int, Setting("Group to compare with the reference; 0: a match is enough.", ge=0)] = 0
    ignore_case: IgnoreCase = False

    @property
    def needs_reference(self) -> bool:
        """Only a group is compared with it."""
        return self.group > 0

    @property
    def takes_reference_alone(self) -> bool:
        """A pattern asks for a form around it."""
        return False

    def problems(self) -> Iterator[Problem]:
        """The pattern must compile and have the group."""
        try:
            groups = compiled(self.pattern).groups
        except PatternError as error:
            yield Problem("pattern", f"is not a regular expression: {error}")
            return
        if self.group > groups:
            yield Problem("group", f"got {self.group}, but the pattern has {groups} groups")

    def grade(self, text: str, example: Example) -> Score:
        """1 when the pattern is found and its group, if one is asked for, is an accepted answer.

        The score is missing where the pattern takes too long.
        """
        try:
            match = search(self.pattern, text, ignore_case=self.ignore_case)
        except TimeoutError as error:
            return Score(math.nan, str(error))
        if match is None:
            return Score(0.0, f"no match in {in_quotes(text)}")
        if self.group == 0:
            return Score(1.0)
        got = match[self.group] or ""
        answers = accepted_answers(example.reference)
        is_right = self._canonical(got) in map(self._canonical, answers)
        return right_or_wrong(is_right, f"got {in_quotes(got)}, expected {in_quotes(answers[0])}")

    def _canonical(self, text: str) -> str:
        return normalise_words(text, ignore_case=self.ignore_case, ignore_punctuation=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class F1(AnswerRule):
    """Overlap of words with the reference.

    The harmonic mean of precision and recall over words, as SQuAD counts it (Rajpurkar et al., 2016); over characters
    in Chinese, Japanese, Korean, Thai and the like. Case, punctuation and articles do not count; of several references
    the best one does.
    """

    summary: ClassVar[str] = "Overlap of words with the reference (F1)."

    def grade(self, text: str, example: Example) -> Score:
        """Count the words in common."""
        answers = accepted_answers(example.reference)
        value = max(_f1(content_words(text), content_words(answer)) for answer in answers)
        return Score(value, "" if value == 1 else f"got {in_quotes(text)}, expected {in_quotes(answers[0])}")


def _f1(words: list[str], expected: list[str]) -> float:
    if not words or not expected:
        return float(words == expected)
    common = (Counter(words) & Counter(expected)).total()
    return 2 * common / (len(words) + len(expected))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct(Rule):
    """Variety of the completion's words.

    Distinct word n-grams / all word n-grams (Li et al., 2016); 0 for a text of fewer than n words.
    """

    summary: ClassVar[str] = "Share of the completion's word n-grams that are distinct."

    n: Annotated[int, Setting("Words in an n-gram.", ge=1, le=10)] = 2

    def grade(self, text: str, example: Example) -> Score:
        """Distinct n-grams of the text's words, divided by all of them; 0 for fewer than n words."""
        words = split_words(text)
        grams = [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)]
        if not grams:
            return Score(0.0, f"fewer than {self.n} words")
        value = len(set(grams)) / len(grams)
        (often, count), *_ = Counter(grams).most_common(1)
        return Score(value, "" if value == 1 else f"says {in_quotes(' '.join(often))} {count} times")
