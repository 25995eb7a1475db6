"""Which prompt wins: the finalists answer validation rows where that can still change the choice.

All answers belong to one posterior, the search's on train rows and these: whoever is best there wins, and that may be
the baseline. What is asked follows the knowledge gradient (``stats/knowledge_gradient.py``), in rounds, so that answers
can be waited for together; everyone answers the rows in one order, so that two prompts have as many rows in common as
can be. What the winner is worth is for the test split to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.pairing import inputs_of, means_by_input, rows_by_input
from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.search.context import evaluate_batch
from promptrl.search.events import FinalistsProgress, SearchEvent
from promptrl.search.posterior import PromptPosterior
from promptrl.search.result import Candidate
from promptrl.stats.knowledge_gradient import JointNormal, choose_asks
from promptrl.stats.pairs import PRIOR_PAIR_SD, error_of_mean
from promptrl.tasks.dataset import Example

MAX_FINALISTS = 8
MIN_ROWS = 2
"""Rows that everyone answers at first."""
ROUNDS = 6
HOPELESS_SDS = 3.0
"""Who is so many deviations of the difference behind the leader can't win any more."""
TIE_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Finalist:
    """A prompt after the finals.

    Attributes:
        prompt: It.
        objective: Mean objective on the validation rows it answered.
        score: Mean of the gate metric on them.
        difference: Its objective minus the baseline's, mean over the rows that both answered; 0 for the baseline.
        sd: Standard error of that difference, rows with one input taken together.
        rows: Validation rows it answered.
        is_baseline: Whether it is the baseline.
    """

    prompt: Prompt
    objective: float
    score: float
    difference: float
    sd: float
    rows: int
    is_baseline: bool


@dataclass(frozen=True, slots=True)
class FinalistsResult:
    """Who won.

    Attributes:
        winner: The baseline's own prompt when nobody beat it.
        leaderboard: Everyone, the best posterior mean first.
        calls_used: Validation calls spent.
    """

    winner: Prompt
    leaderboard: tuple[Finalist, ...]
    calls_used: int


@dataclass(slots=True, eq=False)
class _Runner:
    """One in the race; answers by position of the row, NaN = none; the first ``asked`` rows were asked."""

    prompt: Prompt
    objectives: NDArray[np.float64]
    scores: NDArray[np.float64]
    asked: int = 0


def choose_winner(
    candidates: Sequence[Candidate],
    posterior: PromptPosterior,
    baseline: Prompt,
    rows: Sequence[Example],
    evaluator: Evaluate,
    max_calls: int,
    rng: np.random.Generator,
    on_event: Callable[[SearchEvent], None] = lambda event: None,
) -> FinalistsResult:
    """Name the winner among the first candidates, at most eight, and the baseline.

    Fewer candidates start when ``max_calls`` can't pay for ``MIN_ROWS`` rows each; where it can't pay for one, the
    search's own answers decide between the first and the baseline.

    Args:
        candidates: Best first; the baseline may be one of them.
        posterior: What the search has learned; takes in the answers.
        baseline: Always a finalist.
        rows: Validation rows.
        evaluator: Answers; its "validation" share pays.
        max_calls: Most calls to spend; what the rows don't need is not spent.
        rng: Shuffles the rows.
        on_event: Called after every round.

    Returns:
        The winner and everyone's figures. Where tokens, dollars or minutes end in the middle, what was answered before
        decides.

    Raises:
        BudgetExhaustedError: They end before the first answer.
        TargetError: The model can't be asked any more.
    """
    rivals = [c.prompt for c in candidates if c.prompt.prompt_id != baseline.prompt_id]
    first_rows = min(MIN_ROWS, len(rows))
    affordable = max_calls // first_rows - 1 if first_rows else 0
    rivals = list(dict.fromkeys(rivals))[: max(1, min(MAX_FINALISTS, affordable))]
    race = _Race([baseline, *rivals], posterior, [rows[i] for i in rng.permutation(len(rows))], evaluator, max_calls)
    if rivals and affordable > 0:
        race.run(first_rows, on_event)
    return race.result()


class _Race:
    """Everyone's answers and the calls spent on them; the first is the baseline."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        posterior: PromptPosterior,
        rows: Sequence[Example],
        evaluator: Evaluate,
        max_calls: int,
    ) -> None:
        empty = np.full(len(rows), np.nan)
        self.calls_used = 0
        self._runners = [_Runner(prompt, empty.copy(), empty.copy()) for prompt in prompts]
        self._prompts = tuple(prompts)
        self._posterior = posterior
        self._parts = rows_by_input(rows, inputs_of(rows))
        self._rows = tuple(rows)
        self._is_begun = self._is_cut_short = False
        self._evaluator = evaluator
        self._max_calls = max_calls

    @property
    def calls_left(self) -> int:
        if self._is_cut_short:
            return 0
        return min(self._max_calls - self.calls_used, self._evaluator.calls_left("validation"))

    def run(self, first_rows: int, on_event: Callable[[SearchEvent], None]) -> None:
        """Ask everyone on the first rows, then whom the knowledge gradient names, while there are calls and rows."""
        chosen = [at for at in range(len(self._runners)) for _ in range(first_rows)]
        for number in range(1, ROUNDS + 1):
            self._ask(chosen)
            belief = self._posterior.joint(self._prompts)
            chosen = self._choose(belief, ceil(self.calls_left / max(1, ROUNDS - number)))
            is_last = number == ROUNDS or not chosen
            on_event(self._progress(number, number if is_last else ROUNDS, self._hopeful(belief)))
            if is_last:
                return

    def result(self) -> FinalistsResult:
        """The winner and everyone's figures."""
        means = np.round(self._posterior.joint(self._prompts).mean, TIE_DIGITS)
        order = sorted(range(len(means)), key=lambda at: (-means[at], at > 0, rough_tokens(self._prompts[at].text)))
        return FinalistsResult(self._prompts[order[0]], tuple(self._finalist(at) for at in order), self.calls_used)

    def _ask(self, chosen: Sequence[int]) -> None:
        """Ask each of these on its next row, as far as there are any; the posterior takes in the answers."""
        asks: list[tuple[_Runner, int]] = []
        for at in chosen:
            runner = self._runners[at]
            if runner.asked < len(self._rows):
                asks.append((runner, runner.asked))
                runner.asked += 1
        pairs = [(runner.prompt, self._rows[r]) for runner, r in asks]
        self.calls_used += self._evaluator.would_cost(pairs)
        batch = evaluate_batch(self._evaluator, pairs, purpose="validation")
        if batch.cut_short and not (batch.outcomes or self._is_begun):
            raise batch.cut_short
        self._is_begun, self._is_cut_short = True, batch.cut_short is not None
        answers = []
        for at, outcome in batch.outcomes.items():
            if outcome is not None:
                runner, r = asks[at]
                runner.objectives[r], runner.scores[r] = outcome.objective, outcome.score
                answers.append((runner.prompt, self._rows[r], outcome.objective))
        self._posterior.learn(answers)

    def _choose(self, belief: JointNormal, calls: int) -> list[int]:
        """Who answers next, once for each call; nobody, where nobody has rows left."""
        is_done = np.array([runner.asked == len(self._rows) for runner in self._runners])
        if is_done.all():
            return []
        belief = replace(belief, noise=np.where(is_done, np.inf, belief.noise))
        chosen = choose_asks(belief, calls, max(1.0, self.calls_left / len(self._runners)))
        return [at for at in chosen if not is_done[at]]

    def _hopeful(self, belief: JointNormal) -> list[int]:
        """Who can still win, the best first."""
        order = np.argsort(-belief.mean, kind="stable")
        leader, variance = int(order[0]), np.diag(belief.covariance)
        sds = np.sqrt(np.maximum(0.0, variance + variance[leader] - 2 * belief.covariance[leader]))
        gaps = belief.mean[leader] - belief.mean
        return [int(at) for at in order if gaps[at] <= HOPELESS_SDS * sds[at]]

    def _progress(self, number: int, rounds: int, hopeful: Sequence[int]) -> FinalistsProgress:
        return FinalistsProgress(
            round=number,
            rounds=rounds,
            calls_used=self.calls_used,
            calls_allowed=self._max_calls,
            rows=int(np.sum(~np.isnan(self._differences(hopeful[0])))),
            alive=tuple(self._prompts[at].prompt_id for at in hopeful),
            leader_difference=self._gap(hopeful[0])[0],
        )

    def _gap(self, at: int) -> tuple[float, float]:
        """One's paired difference to the baseline, and its standard error."""
        pairs = means_by_input(self._differences(at), self._parts)
        pairs = pairs[~np.isnan(pairs)]
        if not len(pairs):
            return 0.0, PRIOR_PAIR_SD
        return float(pairs.mean()), error_of_mean(pairs)

    def _differences(self, at: int) -> NDArray[np.float64]:
        """One's objective minus the baseline's by row, NaN where one of them has none."""
        return self._runners[at].objectives - self._runners[0].objectives

    def _finalist(self, at: int) -> Finalist:
        runner = self._runners[at]
        difference, sd = self._gap(at)
        answered = ~np.isnan(runner.objectives)
        return Finalist(
            prompt=runner.prompt,
            objective=float(runner.objectives[answered].mean()) if answered.any() else float("nan"),
            score=float(runner.scores[answered].mean()) if answered.any() else float("nan"),
            difference=difference,
            sd=sd if at else 0.0,
            rows=int(answered.sum()),
            is_baseline=at == 0,
        )
