"""Edits of single words: a short sequence from a vocabulary, at the end of the system message.

Inserting at the end and deleting at any place reaches every sequence of up to ``MAX_WORDS`` words with few actions
(RLPrompt, Deng et al. 2022, searches sequences of five).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from typing import ClassVar

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit, quoted, rough_tokens
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup, NotImagined
from promptrl.prompts.prompt import Prompt

SLOT = "words"
MAX_WORDS = 5
ALIKE = 0.2
"""Part of the prior variance that all words have in common."""


def words_of(prompt: Prompt) -> tuple[str, ...]:
    """The inserted words in order."""
    return tuple(prompt.slot(SLOT).split())


def with_words(prompt: Prompt, words: Sequence[str], order: tuple[str, ...]) -> Prompt:
    """The prompt with these words inserted and no others."""
    return prompt.with_slot(SLOT, " ".join(words), order)


@dataclass(frozen=True, slots=True)
class InsertWord:
    """Append a word of the vocabulary."""

    kind: ClassVar[str] = "insert_word"
    slot: ClassVar[str] = SLOT
    text: str
    order: tuple[str, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """``insert word "carefully"``."""
        return f"insert word {quoted(self.text)}"

    @property
    def token_cost(self) -> float:
        """Of the word and the blank before it."""
        return rough_tokens(f" {self.text}")

    def is_valid(self, prompt: Prompt) -> bool:
        """While fewer than ``MAX_WORDS`` words are inserted."""
        return len(words_of(prompt)) < MAX_WORDS

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the word is among the inserted ones."""
        return self.text in words_of(prompt)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the word at the end."""
        return with_words(prompt, (*words_of(prompt), self.text), self.order)


@dataclass(frozen=True, slots=True)
class DeleteWord:
    """Delete the inserted word at a position."""

    kind: ClassVar[str] = "delete_word"
    slot: ClassVar[str] = SLOT
    text: ClassVar[str] = ""
    token_cost: ClassVar[float] = -1.0
    position: int
    order: tuple[str, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """``delete word 2``; people count from 1."""
        return f"delete word {self.position + 1}"

    def is_valid(self, prompt: Prompt) -> bool:
        """When so many words are inserted."""
        return len(words_of(prompt)) > self.position

    def is_held(self, prompt: Prompt) -> bool:
        """Whether no word stands there."""
        return not self.is_valid(prompt)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt without that word."""
        words = words_of(prompt)
        return with_words(prompt, words[: self.position] + words[self.position + 1 :], self.order)


class WordFactor:
    """The sequence of inserted words."""

    def __init__(self, vocabulary: Sequence[str], order: tuple[str, ...]) -> None:
        self._vocabulary = tuple(vocabulary)
        self._position = {word: at for at, word in enumerate(vocabulary)}
        self._order = order
        inserts = tuple(InsertWord(word, order) for word in vocabulary)
        self.edits: tuple[Edit, ...] = (*inserts, *(DeleteWord(position, order) for position in range(MAX_WORDS)))
        features = tuple(Feature(edit.text, edit.token_cost) for edit in inserts)
        self.groups = (FeatureGroup("insert_word", SLOT, features, capacity=MAX_WORDS, alike=ALIKE),)
        self.changes: tuple[Declared, ...] = (
            *(Change("set", at) for at in range(len(features))),
            *(NotImagined("a position holds what came before", only_undoes=True) for _ in range(MAX_WORDS)),
        )

    def mask(self, prompt: Prompt) -> BoolArray:
        """Inserts while there is room, deletes of the positions in use."""
        used = len(words_of(prompt))
        return np.concatenate([np.full(len(self._vocabulary), used < MAX_WORDS), np.arange(MAX_WORDS) < used])

    def holds(self, prompt: Prompt) -> BoolArray:
        """The inserted words, and deletes of the positions not in use."""
        words = words_of(prompt)
        inserted = np.zeros(len(self._vocabulary), dtype=np.bool_)
        inserted[[self._position[word] for word in words if word in self._position]] = True
        return np.concatenate([inserted, np.arange(MAX_WORDS) >= len(words)])

    def count(self) -> int:
        """How many sequences of up to ``MAX_WORDS`` words there are, the empty one included."""
        return sum(len(self._vocabulary) ** length for length in range(MAX_WORDS + 1))

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt with each sequence, none first."""
        lengths = range(MAX_WORDS + 1)
        sequences = chain.from_iterable(product(self._vocabulary, repeat=length) for length in lengths)
        return (with_words(prompt, words, self._order) for words in sequences)

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """Every number of words is as likely, and every word at each place."""
        length = int(rng.integers(MAX_WORDS + 1))
        words = [self._vocabulary[int(at)] for at in rng.integers(len(self._vocabulary), size=length)]
        return with_words(prompt, words, self._order)

    def in_order(self, order: tuple[str, ...]) -> "WordFactor":
        """The same words where slots stand in this order."""
        return WordFactor(self._vocabulary, order)
