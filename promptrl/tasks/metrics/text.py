"""Rules that compare words: exact_match, choice, contains, regex, f1, distinct_n."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import Rule, Score, excerpt, parameter_error, right_or_wrong

MAX_LABELS = 200

_KEPT_PUNCTUATION = frozenset("#%&@/\\-‐‑")
"""Part of a word rather than of a sentence: C#, 5 %, A-, R&D."""
_QUOTING_SYMBOLS = frozenset("`´")
_MARKDOWN_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_UNSPACED = r"฀-໿က-႟ក-៿぀-ヿ㐀-鿿가-힣豈-﫿"
"""Thai, Lao, Burmese, Khmer, kana, CJK ideographs, Hangul: words may touch, or carry particles."""


def normalise_words(text: str, *, ignore_case: bool, ignore_punctuation: bool = False) -> str:
    """The text with single spaces and canonical Unicode; without case and without punctuation around words if told so.

    Punctuation inside a word stays (3.5 is not 35), as do the signs that make another word of it (C#, A-, 5%). A text
    of punctuation alone keeps it.
    """
    words = unicodedata.normalize("NFKC", text).split()
    if ignore_punctuation:
        words = [word for word in map(_without_outer_punctuation, words) if word.strip("-‐‑")] or words
    joined = " ".join(words)
    return joined.casefold() if ignore_case else joined


def _without_outer_punctuation(word: str) -> str:
    start, end = 0, len(word)
    while start < end and _is_outer_punctuation(word[start]):
        start += 1
    while start < end and _is_outer_punctuation(word[end - 1]):
        end -= 1
    return word[start:end]


def _is_outer_punctuation(character: str) -> bool:
    is_punctuation = unicodedata.category(character).startswith("P") and character not in _KEPT_PUNCTUATION
    return is_punctuation or character in _QUOTING_SYMBOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactMatch(Rule):
    """1 when the text is the reference, or one of them when it is a list."""

    needs_reference: ClassVar[bool] = True
    takes_after: ClassVar[bool] = True

    ignore_case: bool = True
    ignore_punctuation: bool = True

    def grade(self, text: str, example: Example) -> Score:
        """Compare word by word."""
        answers = accepted_answers(example.reference)
        is_right = self._canonical(text) in map(self._canonical, answers)
        return right_or_wrong(is_right, f"got {excerpt(text)}, expected {excerpt(answers[0])}")

    def _canonical(self, text: str) -> str:
        return normalise_words(text, ignore_case=self.ignore_case, ignore_punctuation=self.ignore_punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Rule):
    """1 when the text names the right label and no other.

    Labels are found as whole words anywhere in the text, the longest first, so that "not spam" is not "spam" and a
    label inside a longer word does not count. A label of one letter is found in a sentence only in its own case ("a" is
    an article). Two different labels are ambiguous: 0.
    """

    needs_reference: ClassVar[bool] = True
    takes_after: ClassVar[bool] = True

    choices: tuple[str, ...]
    ignore_case: bool = True
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()

    @classmethod
    def build(cls, params: Mapping[str, Any], references: tuple[Any, ...]) -> Self:
        """Take the labels from the data when the config names none."""
        ignore_case = params.get("ignore_case", True)
        given = params.get("choices")
        labels = given or sorted({answer.strip() for reference in references for answer in accepted_answers(reference)})
        folded = {normalise_words(label, ignore_case=ignore_case): label.strip() for label in reversed(labels)}
        if len(folded) > MAX_LABELS:
            message = f"is missing, and the data have {len(folded)} different labels"
            raise parameter_error("choices", message, "name the labels, or use exact_match")
        longest_first = sorted(folded.values(), key=lambda label: (-len(label), label))
        patterns = tuple((label, _label_pattern(label, ignore_case=ignore_case)) for label in longest_first)
        return cls(choices=tuple(folded.values()), ignore_case=ignore_case, patterns=patterns)

    def refusal(self, reference: Any) -> str:
        """The right label must be among the labels."""
        labels = {self._canonical(label) for label in self.choices}
        unknown = [answer for answer in accepted_answers(reference) if self._canonical(answer) not in labels]
        return f"{excerpt(unknown[0])} is none of the choices {', '.join(self.choices[:8])}" if unknown else ""

    def grade(self, text: str, example: Example) -> Score:
        """Find the labels in the text."""
        found = self._labels_in(text)
        if not found:
            return Score(0.0, f"no label in {excerpt(text)}")
        if len(found) > 1:
            return Score(0.0, f"ambiguous: {', '.join(sorted(found))}")
        answers = accepted_answers(example.reference)
        is_right = self._canonical(found[0]) in map(self._canonical, answers)
        return right_or_wrong(is_right, f"got {found[0]}, expected {answers[0]}")

    def _labels_in(self, text: str) -> list[str]:
        bare = normalise_words(text, ignore_case=self.ignore_case, ignore_punctuation=True)
        for label in self.choices:
            if bare == normalise_words(label, ignore_case=self.ignore_case, ignore_punctuation=True):
                return [label]
        found = []
        rest = _MARKDOWN_UNDERSCORES.sub(" ", unicodedata.normalize("NFKC", text))
        for label, pattern in self.patterns:
            rest, count = pattern.subn("\0", rest)
            if count:
                found.append(label)
        return found

    def _canonical(self, label: str) -> str:
        return normalise_words(label, ignore_case=self.ignore_case)


def _label_pattern(label: str, *, ignore_case: bool) -> re.Pattern[str]:
    """The label as a whole word: no letter, digit, hyphen or apostrophe joins it to another."""
    words = unicodedata.normalize("NFKC", label).split()
    body = r"\s+".join(map(re.escape, words))
    first, last = words[0][0], words[-1][-1]
    before = r"(?<![^\W" + _UNSPACED + r"])(?<![^\W" + _UNSPACED + r"]['’-])(?<!\d[.,])"
    before += r"(?<![-−])" if first.isdigit() else ""
    after = r"(?![^\W" + _UNSPACED + r"])(?!['’-][^\W" + _UNSPACED + r"])(?![.,]\d)"
    pattern = (before if first.isalnum() else "") + body + (after if last.isalnum() else "")
    is_letter = len(label.strip()) == 1 and label.strip().isalpha()
    return re.compile(pattern, re.IGNORECASE if ignore_case and not is_letter else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(Rule):
    """1 when the reference, or one of them, occurs in the text; spacing does not matter."""

    needs_reference: ClassVar[bool] = True
    takes_after: ClassVar[bool] = True

    ignore_case: bool = True

    def grade(self, text: str, example: Example) -> Score:
        """Look for the reference."""
        answers = accepted_answers(example.reference)
        haystack = normalise_words(text, ignore_case=self.ignore_case)
        is_right = any(normalise_words(answer, ignore_case=self.ignore_case) in haystack for answer in answers)
        return right_or_wrong(is_right, f"no {excerpt(answers[0])} in {excerpt(text)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex(Rule):
    """1 when the pattern is found; with a group, when the group's text in the first match is the reference."""

    pattern: re.Pattern[str]
    group: int = 0
    ignore_case: bool = False

    @classmethod
    def build(cls, params: Mapping[str, Any], references: tuple[Any, ...]) -> Self:
        """Compile the pattern."""
        ignore_case, group = params.get("ignore_case", False), params.get("group", 0)
        try:
            pattern = re.compile(params["pattern"], re.IGNORECASE if ignore_case else 0)
        except (re.error, RecursionError, OverflowError) as error:
            raise parameter_error("pattern", f"is not a regular expression: {error}") from error
        if not 0 <= group <= pattern.groups:
            raise parameter_error("group", f"got {group}, but the pattern has {pattern.groups} groups")
        return cls(pattern=pattern, group=group, ignore_case=ignore_case)

    def refusal(self, reference: Any) -> str:
        """A group needs something to be compared with."""
        return "a group is compared with the reference, but there is none" if self.group and reference is None else ""

    def grade(self, text: str, example: Example) -> Score:
        """Search the text."""
        match = self.pattern.search(text)
        if match is None:
            return Score(0.0, f"no match in {excerpt(text)}")
        if self.group == 0:
            return Score(1.0)
        got = match[self.group] or ""
        answers = accepted_answers(example.reference)
        canonical = [normalise_words(answer, ignore_case=self.ignore_case) for answer in answers]
        is_right = normalise_words(got, ignore_case=self.ignore_case) in canonical
        return right_or_wrong(is_right, f"got {excerpt(got)}, expected {excerpt(answers[0])}")


@dataclass(frozen=True, slots=True, kw_only=True)
class F1(Rule):
    """Harmonic mean of precision and recall over words, as SQuAD counts it (Rajpurkar et al., 2016).

    Case, punctuation and articles do not count; of several references the best one does.
    """

    needs_reference: ClassVar[bool] = True
    takes_after: ClassVar[bool] = True

    def grade(self, text: str, example: Example) -> Score:
        """Count the words in common."""
        answers = accepted_answers(example.reference)
        value = max(_f1(_content_words(text), _content_words(answer)) for answer in answers)
        return Score(value, "" if value == 1 else f"got {excerpt(text)}, expected {excerpt(answers[0])}")


def _content_words(text: str) -> list[str]:
    bare = unicodedata.normalize("NFKC", text).casefold().translate(_ASCII_PUNCTUATION)
    return _ARTICLES.sub(" ", bare).split()


def _f1(words: list[str], expected: list[str]) -> float:
    if not words or not expected:
        return float(words == expected)
    common = (Counter(words) & Counter(expected)).total()
    return 2 * common / (len(words) + len(expected))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctN(Rule):
    """Distinct word n-grams / all word n-grams (Li et al., 2016); 0 for a text of fewer than n words."""

    n: int = 2

    def grade(self, text: str, example: Example) -> Score:
        """Count the n-grams."""
        words = text.casefold().split()
        grams = [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)]
        if not grams:
            return Score(0.0, f"fewer than {self.n} words")
        return Score(len(set(grams)) / len(grams))
