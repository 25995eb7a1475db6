"""What a planned search believes of edits: those of its space, and others that may join it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.search.growth import EditBelief, Option
from promptrl.search.result import SearchResult
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate


class PlannerBeliefs:
    """As ``Beliefs`` says, by the surrogate.

    Args:
        moves: The edits.
        surrogate: What was learned of them.
        best: The prompt that edits are made to.
        answers: The prompts asked, each with how many answers it has.
    """

    def __init__(self, moves: Moves, surrogate: Surrogate, best: Prompt, answers: Sequence[tuple[Prompt, int]]) -> None:
        self._moves = moves
        self._surrogate = surrogate
        self._best = best
        self._answers = answers

    def of_options(self, options: Sequence[Option]) -> list[EditBelief]:
        """As ``Beliefs`` says."""
        if not options:
            return []
        space = self._moves.space
        held = [space.with_option(self._best, slot, text) for slot, text in options]
        lacking = [space.with_option(self._best, slot) for slot, _ in options]
        mean, covariance = self._surrogate.contrasts(self._features(held), self._features(lacking))
        sd = np.sqrt(np.maximum(0.0, np.diag(covariance)))
        answers = [self._answers_with(slot, text) for slot, text in options]
        return [EditBelief(float(m), float(s), n) for m, s, n in zip(mean, sd, answers, strict=True)]

    def of_candidates(self, options: Sequence[Option]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As ``Beliefs`` says: where they joined the space now, what the surrogate would believe of them."""
        by_slot: dict[str, list[str]] = {}
        for slot, text in options:
            by_slot.setdefault(slot, []).append(text)
        extension = self._moves.space.extended(options=by_slot)
        moves, places = self._moves.extended(extension)
        surrogate = self._surrogate.extended(moves.table, places, held=moves.features(extension.space.baseline))
        held = [extension.space.with_option(self._best, slot, text) for slot, text in options]
        features = np.stack([moves.features(prompt) for prompt in held])
        before = np.repeat(moves.features(self._best)[None], len(options), axis=0)
        return surrogate.contrasts(features, before)

    def expected(self, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
        """As ``Beliefs`` says."""
        return self._surrogate.mean(self._features(prompts), [prompt.prompt_id for prompt in prompts])

    def _features(self, prompts: Sequence[Prompt]) -> NDArray[np.bool_]:
        return np.stack([self._moves.features(prompt) for prompt in prompts])

    def _answers_with(self, slot: str, text: str) -> int:
        """How many answers are of prompts that hold an option."""
        edits = self._moves.space.edits
        number = next(at for at, edit in enumerate(edits) if (edit.slot, edit.text) == (slot, text))
        return sum(count for prompt, count in self._answers if edits[number].is_held(prompt))


def beliefs_of(search: SearchResult) -> PlannerBeliefs:
    """What a search believed in the end, of edits made to its best prompt.

    Raises:
        ValueError: It has no surrogate.
    """
    if search.surrogate is None:
        raise ValueError("a search without a surrogate believes nothing of edits")
    answers = [(candidate.prompt, candidate.answers) for candidate in search.candidates]
    return PlannerBeliefs(
        Moves(search.space), Surrogate.from_state(search.surrogate), search.candidates[0].prompt, answers
    )
