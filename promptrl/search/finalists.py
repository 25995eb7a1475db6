"""Which prompt wins: sequential halving on validation rows that all finalists share, paired with the baseline.

Each round asks everyone still in the race on the same new rows, then the worse half leaves; the baseline never does
(Karnin et al. 2013). The best of many noisy means is too good on average, so differences to the baseline are shrunken
towards none before the winner is named and reported (empirical Bayes, Efron and Morris 1975). What the winner is
worth is for the test split to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from promptrl.evaluation import Evaluator
from promptrl.prompts.edits import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.search.events import FinalistsProgress, SearchEvent
from promptrl.tasks.dataset import Example

MAX_FINALISTS = 8
MIN_ROWS = 8
MIN_SPREAD = 0.02
PRIOR_PAIR_SD = 0.5
TIE_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Finalist:
    """A prompt after the finals.

    Attributes:
        prompt: It.
        objective: Mean objective on the validation rows it answered.
        score: Mean of the gate metric on them.
        difference: Its objective minus the baseline's, mean over the rows that both answered; 0 for the baseline.
        sd: Standard error of that difference.
        shrunken: The difference, pulled towards 0 by how little the finalists differ.
        rows: Validation rows it answered.
        rounds: Rounds it took part in.
        is_baseline: Whether it is the baseline.
    """

    prompt: Prompt
    objective: float
    score: float
    difference: float
    sd: float
    shrunken: float
    rows: int
    rounds: int
    is_baseline: bool


@dataclass(frozen=True, slots=True)
class FinalistsResult:
    """Who won.

    Attributes:
        winner: The baseline's own prompt when nobody beat it.
        leaderboard: Everyone, the winner first, then by rounds survived and shrunken difference.
        calls_used: Validation calls spent.
    """

    winner: Prompt
    leaderboard: tuple[Finalist, ...]
    calls_used: int


@dataclass(slots=True, eq=False)
class _Runner:
    """One in the race; answers by position of the row, NaN = none."""

    prompt: Prompt
    objectives: NDArray[np.float64]
    scores: NDArray[np.float64]
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class _Gap:
    """A runner's paired difference to the baseline and its standard error."""

    difference: float
    sd: float
    rows: int


def choose_winner(
    candidates: Sequence[Prompt],
    baseline: Prompt,
    rows: Sequence[Example],
    evaluator: Evaluator,
    max_calls: int,
    rng: np.random.Generator,
    on_event: Callable[[SearchEvent], None] = lambda event: None,
) -> FinalistsResult:
    """Name the winner among the first candidates, at most eight, and the baseline.

    Fewer candidates start when ``max_calls`` can't pay for ``MIN_ROWS`` rows each in every round.

    Args:
        candidates: Best first; the baseline among them is passed over.
        baseline: Never eliminated.
        rows: Validation rows.
        evaluator: Answers; its "validation" share pays.
        max_calls: Most calls to spend; what is not needed is not spent.
        rng: Shuffles the rows.
        on_event: Told after every round.

    Returns:
        The winner and everyone's figures; the baseline alone when the calls are too few for any race.

    Raises:
        BudgetExhaustedError: The validation share is smaller than ``max_calls``.
        TargetError: The model can't be asked any more.
    """
    rivals = list({p.prompt_id: p for p in candidates if p.prompt_id != baseline.prompt_id}.values())
    field = rivals[: _field_size(min(MAX_FINALISTS, len(rivals)), min(MIN_ROWS, len(rows)), max_calls)]
    race = _Race(baseline, field, [rows[i] for i in rng.permutation(len(rows))], evaluator, max_calls)
    rounds = _rounds(len(field))
    alive = race.rivals
    for number in range(1, rounds + 1):
        alive = alive[: ceil(len(race.rivals) / 2 ** (number - 1))]
        race.run_round(alive, race.calls_left // (rounds - number + 1))
        alive = sorted(alive, key=race.order)
        on_event(race.progress(number, rounds, alive))
    return race.result(alive)


def _rounds(n_rivals: int) -> int:
    return max(1, ceil(log2(n_rivals))) if n_rivals else 0


def _field_size(wanted: int, rows_each: int, max_calls: int) -> int:
    """The most rivals that can be asked on ``rows_each`` rows, the baseline too, in every round."""
    return max((n for n in range(1, wanted + 1) if (n + 1) * rows_each * _rounds(n) <= max_calls), default=0)


class _Race:
    """Everyone's answers and the calls spent on them."""

    def __init__(
        self, baseline: Prompt, rivals: Sequence[Prompt], rows: Sequence[Example], evaluator: Evaluator, max_calls: int
    ) -> None:
        empty = np.full(len(rows), np.nan)
        self.baseline = _Runner(baseline, empty.copy(), empty.copy())
        self.rivals = [_Runner(prompt, empty.copy(), empty.copy()) for prompt in rivals]
        self.calls_used = 0
        self._rows = tuple(rows)
        self._rows_asked = 0
        self._evaluator = evaluator
        self._max_calls = max_calls

    @property
    def calls_left(self) -> int:
        return self._max_calls - self.calls_used

    def run_round(self, alive: Sequence[_Runner], calls: int) -> None:
        """Ask everyone alive and the baseline on as many new rows as the calls pay for."""
        runners = [self.baseline, *alive]
        first, last = self._rows_asked, min(len(self._rows), self._rows_asked + calls // len(runners))
        asks = [(runner.prompt, self._rows[r]) for runner in runners for r in range(first, last)]
        self.calls_used += self._evaluator.would_cost(asks)
        outcomes = iter(self._evaluator.evaluate(asks, purpose="validation"))
        for runner in runners:
            runner.rounds += 1
            for r in range(first, last):
                outcome = next(outcomes)
                if outcome is not None:
                    runner.objectives[r], runner.scores[r] = outcome.objective, outcome.score
        self._rows_asked = last

    def order(self, runner: _Runner) -> tuple[float, float]:
        """Sorts the better one first: by paired difference, then by length."""
        return -round(self._gap(runner).difference, TIE_DIGITS), rough_tokens(runner.prompt.text)

    def progress(self, number: int, rounds: int, alive: Sequence[_Runner]) -> FinalistsProgress:
        """What watchers are told after a round."""
        ahead = [runner for runner in alive if self._gap(runner).difference > 0]
        behind = [runner for runner in alive if self._gap(runner).difference <= 0]
        return FinalistsProgress(
            round=number,
            rounds=rounds,
            calls_used=self.calls_used,
            calls_allowed=self._max_calls,
            rows=self._rows_asked,
            alive=tuple(runner.prompt.prompt_id for runner in (*ahead, self.baseline, *behind)),
            leader_difference=max(0.0, self._gap(alive[0]).difference),
        )

    def result(self, alive: Sequence[_Runner]) -> FinalistsResult:
        """The winner among those still in, and everyone's figures."""
        spread = self._spread()
        table = {id(runner): self._finalist(runner, spread) for runner in (self.baseline, *self.rivals)}
        final = sorted((table[id(r)] for r in (self.baseline, *alive)), key=_final_order)
        rest = [table[id(r)] for r in self.rivals if r not in alive]
        rest.sort(key=lambda finalist: (-finalist.rounds, *_final_order(finalist)))
        return FinalistsResult(final[0].prompt, (*final, *rest), self.calls_used)

    def _gap(self, runner: _Runner) -> _Gap:
        pairs = runner.objectives - self.baseline.objectives
        pairs = pairs[~np.isnan(pairs)]
        if not len(pairs):
            return _Gap(0.0, PRIOR_PAIR_SD, 0)
        variance = (np.square(pairs - pairs.mean()).sum() + PRIOR_PAIR_SD**2) / len(pairs)
        return _Gap(float(pairs.mean()), float(np.sqrt(variance / len(pairs))), len(pairs))

    def _spread(self) -> float:
        """Variance of the rivals' true differences around 0, by moments."""
        gaps = [self._gap(runner) for runner in self.rivals]
        moments = [gap.difference**2 - gap.sd**2 for gap in gaps if gap.rows]
        return max(MIN_SPREAD**2, float(np.mean(moments))) if moments else MIN_SPREAD**2

    def _finalist(self, runner: _Runner, spread: float) -> Finalist:
        is_baseline = runner is self.baseline
        gap = self._gap(runner)
        answered = ~np.isnan(runner.objectives)
        return Finalist(
            prompt=runner.prompt,
            objective=float(runner.objectives[answered].mean()) if answered.any() else float("nan"),
            score=float(runner.scores[answered].mean()) if answered.any() else float("nan"),
            difference=gap.difference,
            sd=0.0 if is_baseline else gap.sd,
            shrunken=gap.difference * spread / (spread + gap.sd**2),
            rows=int(answered.sum()),
            rounds=runner.rounds,
            is_baseline=is_baseline,
        )


def _final_order(finalist: Finalist) -> tuple[float, float, bool]:
    """Best first: by shrunken difference, then fewer tokens, then the baseline."""
    return -round(finalist.shrunken, TIE_DIGITS), rough_tokens(finalist.prompt.text), not finalist.is_baseline
