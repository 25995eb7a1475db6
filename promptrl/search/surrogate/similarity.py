"""How alike two features are by their wording, so that an option nobody asked about starts near its like."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from promptrl.search.surrogate.data import Floats
from promptrl.search.surrogate.features import FeatureTable

_TOKEN = re.compile(r"\w+|[^\w\s]")


def wording_similarity(table: FeatureTable) -> Floats:
    """How alike the texts of features are, within one kind of feature: positive semidefinite, shape (n, n).

    Texts are compared by the words, the pairs of neighbouring words and the last word that they have in common
    (cosine): of what was tried on accuracies of some 200 instructions a task, that told most.

    Args:
        table: The features; one without a text is like none.
    """
    found = [frozenset(_terms(text)) for text in table.texts]
    index = {term: i for i, term in enumerate(dict.fromkeys(term for terms in found for term in sorted(terms)))}
    has = np.zeros((len(found), max(1, len(index))))
    for row, terms in enumerate(found):
        has[row, [index[term] for term in terms]] = 1
    norm = np.linalg.norm(has, axis=1, keepdims=True)
    unit = has / np.where(norm > 0, norm, 1.0)
    return np.asarray(unit @ unit.T * _same_kind(table))


def prior_correlation(table: FeatureTable, wording: Floats, wording_share: float) -> Floats:
    """Prior correlation of the features' effects, positive definite, shape (n, n).

    Args:
        table: The features.
        wording: How alike they are by wording, shape (n, n).
        wording_share: Part of the prior variance that wording explains, below 1.
    """
    common = np.sqrt(np.outer(table.alike, table.alike)) * _same_kind(table)
    correlation = (1 - wording_share) * common + wording_share * wording
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)


def _same_kind(table: FeatureTable) -> Floats:
    number = {kind: i for i, kind in enumerate(dict.fromkeys(table.kinds))}
    kinds = np.array([number[kind] for kind in table.kinds], dtype=np.intp)
    return np.asarray(kinds[:, None] == kinds, dtype=np.float64)


def _terms(text: str) -> Iterator[tuple[str, ...]]:
    """Words (signs are words too), pairs of neighbours, and the last word as such."""
    words = _TOKEN.findall(text.lower())
    yield from ((word,) for word in words)
    yield from pairwise(words)
    if words:
        yield ("", words[-1])
