"""What a search with a surrogate leaves behind: the surrogate itself, which goes on learning from other rows."""

from collections.abc import Sequence

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.state import SurrogateState
from promptrl.stats.knowledge_gradient import JointNormal
from promptrl.tasks.dataset import Example


class SurrogatePosterior:
    """A ``PromptPosterior``: the answers of the search and those after it explain each other.

    Args:
        moves: The edits that prompts are made of.
        state: What the search has learned of them.
        rows: Further rows that prompts may be asked on.
    """

    def __init__(self, moves: Moves, state: SurrogateState, rows: Sequence[Example]) -> None:
        self._moves = moves
        self._surrogate = Surrogate.from_state(state, [row.id for row in rows])
        self._number = {row_id: at for at, row_id in enumerate(self._surrogate.row_ids)}

    def joint(self, prompts: Sequence[Prompt]) -> JointNormal:
        """As ``PromptPosterior`` says, on the scale of the surrogate."""
        features = np.stack([self._moves.features(prompt) for prompt in prompts])
        return self._surrogate.joint(features, [prompt.prompt_id for prompt in prompts])

    def learn(self, answers: Sequence[tuple[Prompt, Example, float]]) -> None:
        """As ``PromptPosterior`` says."""
        for prompt, row, objective in answers:
            self._surrogate.add(prompt.prompt_id, self._moves.features(prompt), self._number[row.id], objective)
        self._surrogate.fit()
