"""A small static encoder in this process, from weights that the package wordllama carries: nothing is downloaded.

A text is the mean of the vectors of its tokens. The package's own loader is passed by: it looks for its tokenizer in
another folder than it ships it in, would download it then, and sets up logging when it is imported.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from promptrl.errors import ConfigError, Problem
from promptrl.llm.targets.vectors import Vector
from promptrl.tasks.metrics.similarity import PACKAGE

_WEIGHTS, _TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
_DIMENSIONS = 256


def encoded(texts: Sequence[str]) -> list[Vector]:
    """A vector of 256 numbers for each text; zeros for one that has no token.

    Raises:
        ConfigError: The package has no such weights.
    """
    table, tokenizer = _encoder()
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [table[each.ids].mean(axis=0) if each.ids else np.zeros(_DIMENSIONS) for each in found]


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any]:
    """The vectors of all tokens, and the tokenizer."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    spec = find_spec(PACKAGE)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path(PACKAGE)
    try:
        (table,) = load_file(folder / _WEIGHTS).values()
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    except Exception as error:  # tokenizers raises nothing narrower
        message = f"the installed {PACKAGE} has no encoder that is known here: {type(error).__name__}"
        raise ConfigError([Problem("reward.metrics", message, "pip install 'wordllama==0.4.0.post1'")]) from error
    return table.astype(np.float64), tokenizer
