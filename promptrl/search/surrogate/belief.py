"""What a search believes of two prompts, for those who know prompts and not what the surrogate is made of."""

from collections.abc import Callable

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate


def believed_gain(surrogate: Surrogate, moves: Moves) -> Callable[[Prompt, Prompt], tuple[float, float]]:
    """By how much the first of two prompts has the higher objective, and the standard deviation of that."""

    def gain(first: Prompt, second: Prompt) -> tuple[float, float]:
        features = np.stack([moves.features(first), moves.features(second)])
        return surrogate.difference(features, [first.prompt_id, second.prompt_id])

    return gain
