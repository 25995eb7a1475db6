"""What the rows of a data set say, in a form that tells quickly whether a text was copied from one of them."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from promptrl.safe_text import canonical

RUN = 5
"""So many words in a row that a text shares with data were copied from there."""
SHORTEST_FIELD = 3
"""Words of a whole field from which on it counts as copied too, though it has no run."""
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ID = re.compile(r"[\w-]+")


def words_of(text: str) -> list[str]:
    """The words of a text, without case and signs."""
    return _WORD.findall(canonical(text).casefold())


def numbers_in(text: str) -> list[str]:
    """The numbers that a text writes in digits."""
    return _NUMBER.findall(canonical(text))


@dataclass(frozen=True, slots=True)
class RowText:
    """A row in words.

    Attributes:
        id: Of the row.
        fields: What a prompt can show of it.
        references: The known good answers; any of them will do.
    """

    id: str
    fields: tuple[str, ...]
    references: tuple[str, ...] = ()


class RowWords:
    """The words of all rows.

    Args:
        rows: They.
        labels: References that say which answers there are, as a prompt may do: they are nobody's secret.
    """

    def __init__(self, rows: Sequence[RowText], labels: Collection[str] = ()) -> None:
        self._rows = tuple(rows)
        self._labels = {tuple(words_of(label)) for label in labels}

    def copied_run(self, text: str, own: Sequence[str]) -> str:
        """The first run of words that a text has from a row and that is in none of one's own texts; empty for none."""
        words, known = words_of(text), _runs_of(tuple(own)) | self._labels
        long = (run for run in _runs(words, RUN) if self._holds(run) and run not in known)
        short = (run for run in _short_runs(words) if run in self._short_fields and run not in known)
        return " ".join(next(chain(long, short), ()))

    def copied_reference(self, text: str, own: Sequence[str]) -> str:
        """The first known answer in a text that is no label and in none of one's own texts; empty for none."""
        known = _runs_of(tuple(own)) | self._labels
        found = (run for run in _short_runs(words_of(text)) if run in self._references and run not in known)
        return " ".join(next(found, ()))

    def copied_number(self, text: str, own: Sequence[str]) -> str:
        """The first number in a text that a row has too and none of one's own texts; empty for none."""
        known = {number for one in own for number in numbers_in(one)}
        found = (number for number in numbers_in(text) if number in self._numbers and number not in known)
        return next(found, "")

    def named_id(self, text: str) -> str:
        """The id of a row that a text names; empty for none."""
        return next((word for word in _ID.findall(text) if word in self._ids), "")

    def _holds(self, run: tuple[str, ...]) -> bool:
        at = int(np.searchsorted(self._hashes, code := hash(run)))
        return at < len(self._hashes) and int(self._hashes[at]) == code

    @cached_property
    def _hashes(self) -> npt.NDArray[np.int64]:
        """Of every run of words in any row, sorted; eight bytes each, as there may be millions."""
        codes = (hash(run) for text in self._texts() for run in _runs(words_of(text), RUN))
        return np.unique(np.fromiter(codes, dtype=np.int64))

    @cached_property
    def _short_fields(self) -> set[tuple[str, ...]]:
        """Fields with fewer words than a run, but more than a name."""
        found = (tuple(words_of(text)) for row in self._rows for text in row.fields)
        return {words for words in found if SHORTEST_FIELD <= len(words) < RUN}

    @cached_property
    def _references(self) -> set[tuple[str, ...]]:
        """Those with fewer words than a run; longer ones are runs."""
        found = (tuple(words_of(text)) for row in self._rows for text in row.references)
        return {words for words in found if 0 < len(words) < RUN}

    @cached_property
    def _numbers(self) -> set[str]:
        return {number for text in self._texts() for number in numbers_in(text)}

    @cached_property
    def _ids(self) -> set[str]:
        return {row.id for row in self._rows}

    def _texts(self) -> Iterator[str]:
        for row in self._rows:
            yield from row.fields
            yield from row.references


@lru_cache(maxsize=16)
def _runs_of(texts: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """All runs of words in some texts, up to those that count as copied."""
    listed = [words_of(text) for text in texts]
    return frozenset(run for words in listed for run in (*_runs(words, RUN), *_short_runs(words)))


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """All runs of so many words."""
    return (tuple(words[at : at + length]) for at in range(len(words) - length + 1))


def _short_runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All runs that are shorter than what counts as copied wherever it stands."""
    for length in range(1, RUN):
        yield from _runs(words, length)
