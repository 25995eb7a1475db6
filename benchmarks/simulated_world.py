"""A world of prompts whose true scores are known exactly, to see how far reported scores are from them.

A row has an easiness, a prompt a skill, and both together some chance of their own; an answer is right when the sum is
above 0, always the same way (temperature 0). The true score of a prompt, its mean over all rows that there could be,
is then a value of the normal distribution function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import special

from benchmarks.table_evaluator import TableEvaluator
from promptrl.evaluation.outcome import Ask
from promptrl.experiment.proof_stage import compare_prompts
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.runs.result import PairedComparison
from promptrl.search.posterior import NO_IDEA_SD, SeparatePosterior
from promptrl.search.result import Candidate
from promptrl.selection.finalists import choose_winner
from promptrl.stats.gate import Gate
from promptrl.tasks.dataset import Example

LUCK_SD = 0.6
FINALISTS = 8
FIRST_ROWS = 4


class World:
    """Prompts and rows of one run; the first prompt is the baseline.

    Args:
        rng: Draws everything.
        n_prompts: How many prompts there are.
        spread: Standard deviation of their skills; 0: all have the same true score.
        rows: Train, validation and test rows.
    """

    def __init__(self, rng: np.random.Generator, n_prompts: int, spread: float, rows: tuple[int, int, int]) -> None:
        self.prompts = [Prompt((("task", f"Way {i}."),), (), UserTemplate("{x}")) for i in range(n_prompts)]
        ends = np.cumsum((0, *rows))
        numbered = [Example(str(i), {"x": str(i)}, None, {}) for i in range(ends[-1])]
        self.train, self.validation, self.test = (numbered[a:b] for a, b in pairwise(ends))
        skills = rng.normal(0.3, spread, n_prompts) if spread else np.full(n_prompts, 0.3)
        sums = skills[:, None] + rng.normal(size=ends[-1]) + LUCK_SD * rng.normal(size=(n_prompts, ends[-1]))
        self.right: npt.NDArray[np.float64] = (sums > 0).astype(np.float64)
        """Shape (prompts, rows)."""
        self.true_scores: npt.NDArray[np.float64] = special.ndtr(skills / np.hypot(1, LUCK_SD))
        self._numbers = {prompt.prompt_id: i for i, prompt in enumerate(self.prompts)}

    def number(self, prompt: Prompt) -> int:
        """Its place among the prompts."""
        return self._numbers[prompt.prompt_id]

    def evaluator(self) -> TableEvaluator:
        """Answers without limit."""
        return TableEvaluator(self.objectives)

    def objectives(self, asks: Sequence[Ask]) -> npt.NDArray[np.float64]:
        """Whether each answer is right: 1 or 0."""
        return self.right[[self.number(prompt) for prompt, _ in asks], [int(row.id) for _, row in asks]]


@dataclass(frozen=True, slots=True)
class Night:
    """What a run in a world would have reported, beside the truth.

    Attributes:
        winner: Number of the prompt that won the finals.
        true_score: Its score on all rows that there could be.
        training: Its mean on the train rows that the search asked.
        validation: Its mean on the validation rows that it answered.
        on_test: The winner against the baseline on the test rows; None when the baseline won.
        best_raw: The best raw mean of the finalists on all validation rows, minus the true score of who has it.
    """

    winner: int
    true_score: float
    training: float
    validation: float
    on_test: PairedComparison | None
    best_raw: float


def live_through(world: World, gate: Gate, rng: np.random.Generator) -> Night:
    """Search by halving on train rows, then the finals and the test of the program itself."""
    means, evaluator = _search(world, rng), world.evaluator()
    candidates = sorted(means, key=lambda number: -means[number])[:FINALISTS]
    known = [Candidate(world.prompts[i], means[i], NO_IDEA_SD, answers=0) for i in candidates]
    finals = choose_winner(
        known,
        SeparatePosterior(known, world.validation),
        world.prompts[0],
        world.validation,
        evaluator,
        (FINALISTS + 1) * len(world.validation) // 2,
        rng,
    )
    winner = world.number(finals.winner)
    on_test = None
    if winner:
        both = {"baseline": world.prompts[0], "winner": finals.winner}
        on_test = compare_prompts(evaluator, both, world.test, "test", gate, look_rows=8)
    raw = world.right[candidates][:, [int(row.id) for row in world.validation]].mean(axis=1)
    best = int(raw.argmax())
    return Night(
        winner=winner,
        true_score=float(world.true_scores[winner]),
        training=means.get(winner, float("nan")),
        validation=finals.leaderboard[0].score,
        on_test=on_test,
        best_raw=float(raw[best] - world.true_scores[candidates[best]]),
    )


def _search(world: World, rng: np.random.Generator) -> dict[int, float]:
    """Every prompt on a few train rows, the better half on as many more, and so on: mean by number."""
    order = rng.permutation(len(world.train))
    alive = np.arange(1, len(world.prompts))
    means: dict[int, float] = {}
    seen = FIRST_ROWS
    while True:
        scores = world.right[alive][:, order[:seen]].mean(axis=1)
        means |= dict(zip(alive.tolist(), scores.tolist(), strict=True))
        if len(alive) <= FINALISTS:
            return {number: means[number] for number in alive.tolist()}
        ranked = np.lexsort((rng.random(len(alive)), -scores))
        alive = alive[ranked[: max(FINALISTS, len(alive) // 2)]]
        seen = min(seen + FIRST_ROWS, len(order))
