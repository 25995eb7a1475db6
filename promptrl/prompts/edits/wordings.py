"""Edits of a plain-text prompt whose sentences may be worded anew: keep a sentence, leave it out, or word it otherwise.

Each sentence is a choice of its own, as a slot is among its options; further wordings may join while a search works.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from promptrl.errors import Problem
from promptrl.prompts.edits.base import quoted, rough_tokens
from promptrl.prompts.edits.choices import ChoiceFactor
from promptrl.prompts.edits.phrases import PhrasedPart
from promptrl.prompts.placeholders import placeholders
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.sentences import PhraseTable


@dataclass(frozen=True, slots=True)
class Wording:
    """Another wording of a sentence.

    Attributes:
        sentence: Number of the sentence in the text, from 0.
        text: What stands in its place.
    """

    sentence: int
    text: str


@dataclass(frozen=True)
class WordedPart:
    """The part of a prompt that a plain text fills, with other wordings of its sentences.

    Attributes:
        part: The text as the user wrote it.
        wordings: In the order in which they came.
    """

    part: PhrasedPart
    wordings: tuple[Wording, ...] = ()

    @property
    def slot(self) -> str:
        """``user`` for a user template, else ``text``."""
        return self.part.slot

    @property
    def sentences(self) -> tuple[str, ...]:
        """As the user wrote them."""
        return self.part.table.phrases

    def name(self, sentence: int) -> str:
        """What a sentence is called: ``text.1`` is the first."""
        return f"{self.slot}.{sentence + 1}"

    def is_open(self, sentence: int) -> bool:
        """Whether it may be worded otherwise: not what the user wants kept, nor what its form ties to its place."""
        table = self.part.table
        return sentence not in table.pinned and sentence not in table.anchored

    @property
    def has_repeats(self) -> bool:
        """Whether the text says a sentence twice."""
        return self.part.table.has_repeats

    def numbers(self) -> dict[str, int]:
        """The sentences that may be worded otherwise: number by name."""
        return {self.name(at): at for at in range(len(self.sentences)) if self.is_open(at)}

    def grown(
        self, order: tuple[str, ...], wordings: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> "WordedPart":
        """The same text with further wordings, by name of the sentence, where slots stand in this order."""
        numbers = self.numbers()
        new = (Wording(numbers[name], text) for name, texts in wordings.items() for text in texts)
        return WordedPart(replace(self.part, order=order), (*self.wordings, *new))

    def problems(self, wordings: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
        """What is wrong with further wordings, by name of the sentence."""
        for name, texts in wordings.items():
            sentence = self.numbers()[name]
            known, wanted = [*self.options(sentence)], sorted(placeholders(self.sentences[sentence]))
            for text in texts:
                key = f"prompt.slots.{name}.{len(known)}"
                if text in known:
                    yield Problem(key, f"is the same text as option {known.index(text)} of this slot")
                elif not text.strip() or text != text.strip():
                    yield Problem(key, f"got {text!r}, expected a sentence without blanks around it")
                elif self.part.table.is_template and sorted(placeholders(text)) != wanted:
                    yield Problem(key, f"got {text!r}, expected the placeholders of the sentence it stands for")
                known.append(text)

    def options(self, sentence: int) -> tuple[str, ...]:
        """Texts that may stand there: its own, none where it may be left out, its wordings."""
        own = (self.sentences[sentence], *([] if self.part.table.is_fixed(sentence) else [""]))
        return (*own, *(wording.text for wording in self.wordings if wording.sentence == sentence))

    def choices(self, prompt: Prompt) -> tuple[str, ...] | None:
        """The text that stands for each sentence, empty where it is left out; None when the text is another one."""
        selection = self._table_part.selection(prompt)
        if selection is None:
            return None
        texts = [""] * len(self.sentences)
        for at in selection:
            sentence = self._sentence_of[at]
            if texts[sentence]:
                return None
            texts[sentence] = self._table.phrases[at]
        return tuple(texts)

    def with_choice(self, prompt: Prompt, sentence: int, text: str) -> Prompt:
        """The prompt with a text in the place of a sentence."""
        choices = self.choices(prompt)
        if choices is None:
            raise ValueError("the prompt holds another text than the one whose sentences are edited")
        wanted = [*choices[:sentence], text, *choices[sentence + 1 :]]
        selection = [
            at
            for at, (phrase, of) in enumerate(zip(self._table.phrases, self._sentence_of, strict=True))
            if phrase == wanted[of]
        ]
        return self._table_part.with_selection(prompt, tuple(selection))

    @cached_property
    def _sentence_of(self) -> tuple[int, ...]:
        """The sentence that each phrase of the long table stands for."""
        counts = [1 + sum(w.sentence == at for w in self.wordings) for at in range(len(self.sentences))]
        return tuple(at for at, count in enumerate(counts) for _ in range(count))

    @cached_property
    def _table(self) -> PhraseTable:
        """Sentences with their wordings behind them; between these stands nothing, as no prompt holds two."""
        table, phrases, gaps = self.part.table, [], [self.part.table.gaps[0]]
        for at, sentence in enumerate(table.phrases):
            others = [wording.text for wording in self.wordings if wording.sentence == at]
            phrases += [sentence, *others]
            gaps += [*[""] * len(others), table.gaps[at + 1]]
        return PhraseTable(tuple(phrases), tuple(gaps), table.is_template)

    @cached_property
    def _table_part(self) -> PhrasedPart:
        return replace(self.part, table=self._table)


@dataclass(frozen=True, slots=True)
class WordSentence:
    """Let a text stand in the place of a sentence: its own, none, or another wording."""

    sentence: int
    text: str
    part: WordedPart = field(repr=False)
    kind: ClassVar[str] = "option"

    @property
    def slot(self) -> str:
        """The sentence by its number: ``text.2``."""
        return self.part.name(self.sentence)

    @property
    def label(self) -> str:
        """``reword "Be polite." as "Be kind."``."""
        own = quoted(self.part.sentences[self.sentence])
        if self.text == self.part.sentences[self.sentence]:
            return f"keep {own}"
        return f"reword {own} as {quoted(self.text)}" if self.text else f"drop {own}"

    @property
    def token_cost(self) -> float:
        """Of the text itself, whatever it replaces."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """Unless it stands there already."""
        choices = self.part.choices(prompt)
        return choices is not None and choices[self.sentence] != self.text

    def is_held(self, prompt: Prompt) -> bool:
        """Whether it stands there."""
        choices = self.part.choices(prompt)
        return choices is not None and choices[self.sentence] == self.text

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with this text in the place of the sentence."""
        return self.part.with_choice(prompt, self.sentence, self.text)


class SentenceFactor(ChoiceFactor):
    """One sentence and the texts that may stand in its place.

    Args:
        part: The text.
        sentence: Number of the sentence.
        retired: Texts that are not chosen any more.
    """

    def __init__(self, part: WordedPart, sentence: int, retired: AbstractSet[str] = frozenset()) -> None:
        texts = part.options(sentence)
        super().__init__(part.name(sentence), [WordSentence(sentence, text, part) for text in texts], retired)
        self.part = part
        self.sentence = sentence

    def present(self, prompt: Prompt) -> str | None:
        """The text that stands for the sentence; None when the prompt's text is another one."""
        choices = self.part.choices(prompt)
        return None if choices is None else choices[self.sentence]

    def count(self) -> int | None:
        """How many texts can be chosen; None when the text says a sentence twice, so that choices coincide."""
        return None if self.part.has_repeats else super().count()

    def in_order(self, order: tuple[str, ...]) -> "SentenceFactor":
        """The same sentence where slots stand in this order."""
        return self.of(self.part.grown(order))

    def of(self, part: WordedPart, retired: AbstractSet[str] = frozenset()) -> "SentenceFactor":
        """The same sentence of a text with more wordings, or more that are retired."""
        return SentenceFactor(part, self.sentence, self.retired | retired)


def sentence_factors(part: WordedPart) -> list[SentenceFactor]:
    """A factor for each sentence with more than one text."""
    return [SentenceFactor(part, at) for at in range(len(part.sentences)) if len(part.options(at)) > 1]
