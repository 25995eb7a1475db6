"""Vectors as the text of an answer: of length 1, in half precision, as base64."""

import base64

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def packed(values: list[float]) -> str:
    """A vector as text.

    Raises:
        ValueError: It has no direction.
    """
    vector = np.asarray(values, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not np.isfinite(length) or length == 0:
        raise ValueError("is no vector with a direction")
    return base64.b64encode((vector / length).astype("<f2").tobytes()).decode("ascii")


def unpacked(text: str) -> Vector:
    """The vector, of length 1 but for rounding.

    Raises:
        ValueError: It is none.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2").astype(np.float64)
