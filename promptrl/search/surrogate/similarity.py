"""How alike two features are by their wording, so that an option nobody asked about starts near its like."""

import numpy as np

from promptrl.search.surrogate.data import Floats
from promptrl.search.surrogate.features import FeatureTable

WORDING_SHARE = 0.3
"""Part of the prior variance that wording explains, unless told."""
GRAM = 3


def prior_correlation(table: FeatureTable, wording_share: float = WORDING_SHARE) -> Floats:
    """Prior correlation of the features' effects, positive definite, shape (n, n).

    Texts are compared as bags of character trigrams (cosine), within one kind of feature.

    Args:
        table: The features.
        wording_share: Part of the prior variance that wording explains.
    """
    texts, kinds = table.texts, table.kinds
    grams = [_grams(text) for text in texts]
    index = {gram: i for i, gram in enumerate(dict.fromkeys(g for found in grams for g in found))}
    counts = np.zeros((len(texts), max(1, len(index))))
    for row, found in enumerate(grams):
        for gram in found:
            counts[row, index[gram]] += 1
    norm = np.linalg.norm(counts, axis=1, keepdims=True)
    unit = counts / np.where(norm > 0, norm, 1.0)
    same_kind = np.array([[a == b for b in kinds] for a in kinds])
    correlation = same_kind * (wording_share * unit @ unit.T + np.sqrt(np.outer(table.alike, table.alike)))
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)


def _grams(text: str) -> list[str]:
    line = f" {' '.join(text.lower().split())} "
    return [line[i : i + GRAM] for i in range(len(line) - GRAM + 1)] if text else []
