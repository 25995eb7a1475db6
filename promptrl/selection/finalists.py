"""Which prompt wins: sequential halving on validation rows that all finalists share, the baseline among them.

Each round asks everyone still in the race on the same new rows, then the worse half leaves; the baseline never does
(Karnin et al. 2013). The best of a few noisy means is too good on average, so nobody is judged by validation rows
alone: the search's posterior, taken with caution, and what the rows say are weighed by their precision (conjugate
normal, Gelman et al. 2013, 3.5). At 300 calls that chose better prompts on one bundled task, by one to two hundredths
of the achievable gain, and made no difference beyond noise elsewhere. What the winner is worth is for the test split to
say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.pairing import inputs_of, rows_by_input
from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.search.context import evaluate_batch
from promptrl.search.events import FinalistsProgress, SearchEvent
from promptrl.search.result import Candidate
from promptrl.tasks.dataset import Example

MAX_FINALISTS = 8
MIN_ROWS = 2
CAUTION = 1.5
"""What the deviations of the search's posterior are multiplied by: it is too sure of what it picked itself."""
NO_IDEA_SD = 0.5
"""Of a prompt that the search has no posterior of."""
PRIOR_VARIANCE, PRIOR_ROWS = 0.25, 2
"""The variance of a prompt's answers starts as if so many rows had shown this."""
ROW_SHARE = 0.3
"""Part of that variance that answers of two prompts to one row have in common."""
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
        sd: Standard error of that difference, rows with one input taken together.
        shrunken: The posterior mean of the difference after the finals, from the search's posterior and these rows.
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

    candidate: Candidate
    objectives: NDArray[np.float64]
    scores: NDArray[np.float64]
    rounds: int = 0

    @property
    def prompt(self) -> Prompt:
        return self.candidate.prompt


@dataclass(frozen=True, slots=True)
class _Gap:
    """A runner's paired difference to the baseline and its standard error."""

    difference: float
    sd: float
    rows: int


def choose_winner(
    candidates: Sequence[Candidate],
    baseline: Prompt,
    rows: Sequence[Example],
    evaluator: Evaluate,
    max_calls: int,
    rng: np.random.Generator,
    on_event: Callable[[SearchEvent], None] = lambda event: None,
) -> FinalistsResult:
    """Name the winner among the first candidates, at most eight, and the baseline.

    Fewer candidates start when ``max_calls`` can't pay for ``MIN_ROWS`` rows each in every round.

    Args:
        candidates: Best first, with the search's posterior of them; of the baseline among them only that is used.
        baseline: Never eliminated.
        rows: Validation rows.
        evaluator: Answers; its "validation" share pays.
        max_calls: Most calls to spend; what is not needed is not spent.
        rng: Shuffles the rows.
        on_event: Called after every round.

    Returns:
        The winner and everyone's figures; the baseline alone when the calls are too few for any race. Where tokens,
        dollars or minutes end in the middle, what was answered before decides.

    Raises:
        BudgetExhaustedError: They end before the first answer.
        TargetError: The model can't be asked any more.
    """
    known = {c.prompt.prompt_id: c for c in reversed(candidates)}
    own = known.pop(baseline.prompt_id, None) or without_posterior(baseline, candidates)
    rivals = list(dict.fromkeys(c.prompt.prompt_id for c in candidates if c.prompt.prompt_id in known))
    size = _affordable_rivals(min(MAX_FINALISTS, len(rivals)), min(MIN_ROWS, len(rows)), max_calls)
    racing = [known[prompt_id] for prompt_id in rivals[:size]]
    race = _Race(own, racing, [rows[i] for i in rng.permutation(len(rows))], evaluator, max_calls)
    rounds = _rounds(len(racing))
    alive = race.rivals
    for number in range(1, rounds + 1):
        alive = alive[: ceil(len(race.rivals) / 2 ** (number - 1))]
        race.run_round(alive, race.calls_left // (rounds - number + 1))
        alive = sorted(alive, key=race.order)
        on_event(race.progress(number, rounds, alive))
    return race.result(alive)


def without_posterior(prompt: Prompt, candidates: Sequence[Candidate]) -> Candidate:
    """A prompt that the search has no posterior of, taken for as good as its candidates are, with little certainty."""
    mean = float(np.mean([candidate.mean for candidate in candidates])) if candidates else 0.0
    return Candidate(prompt, mean, NO_IDEA_SD, answers=0)


def _rounds(n_rivals: int) -> int:
    return max(1, ceil(log2(n_rivals))) if n_rivals else 0


def _affordable_rivals(wanted: int, rows_each: int, max_calls: int) -> int:
    """The most rivals that can be asked on ``rows_each`` rows, the baseline too, in every round."""
    return max((n for n in range(1, wanted + 1) if (n + 1) * rows_each * _rounds(n) <= max_calls), default=0)


class _Race:
    """Everyone's answers and the calls spent on them."""

    def __init__(
        self,
        baseline: Candidate,
        rivals: Sequence[Candidate],
        rows: Sequence[Example],
        evaluator: Evaluate,
        max_calls: int,
    ) -> None:
        empty = np.full(len(rows), np.nan)
        self.baseline = _Runner(baseline, empty.copy(), empty.copy())
        self.rivals = [_Runner(rival, empty.copy(), empty.copy()) for rival in rivals]
        self._parts = rows_by_input(rows, inputs_of(rows))
        self._gains = self._posterior_gains()
        self.calls_used = 0
        self._rows = tuple(rows)
        self._rows_asked = 0
        self._is_cut_short = False
        self._evaluator = evaluator
        self._max_calls = max_calls

    @property
    def calls_left(self) -> int:
        if self._is_cut_short:
            return 0
        return min(self._max_calls - self.calls_used, self._evaluator.calls_left("validation"))

    def run_round(self, alive: Sequence[_Runner], calls: int) -> None:
        """Ask everyone alive and the baseline on as many new rows as the calls pay for."""
        runners = [self.baseline, *alive]
        first, last = self._rows_asked, min(len(self._rows), self._rows_asked + calls // len(runners))
        asks = [(runner.prompt, self._rows[r]) for runner in runners for r in range(first, last)]
        self.calls_used += self._evaluator.would_cost(asks)
        batch = evaluate_batch(self._evaluator, asks, purpose="validation")
        if batch.cut_short and not (batch.outcomes or self._rows_asked):
            raise batch.cut_short
        self._is_cut_short = batch.cut_short is not None
        for i, runner in enumerate(runners):
            runner.rounds += 1
            for r in range(first, last):
                outcome = batch.outcomes.get(i * (last - first) + r - first)
                if outcome is not None:
                    runner.objectives[r], runner.scores[r] = outcome.objective, outcome.score
        self._rows_asked = last
        self._gains = self._posterior_gains()

    def order(self, runner: _Runner) -> tuple[float, float]:
        """Sorts the better one first: by the posterior gain, then by length."""
        return -round(self._gains[id(runner)], TIE_DIGITS), rough_tokens(runner.prompt.text)

    def progress(self, number: int, rounds: int, alive: Sequence[_Runner]) -> FinalistsProgress:
        """The event of a round."""
        ahead = [runner for runner in alive if self._gap(runner).difference > 0]
        behind = [runner for runner in alive if self._gap(runner).difference <= 0]
        return FinalistsProgress(
            round=number,
            rounds=rounds,
            calls_used=self.calls_used,
            calls_allowed=self._max_calls,
            rows=self._rows_asked,
            alive=tuple(runner.prompt.prompt_id for runner in (*ahead, self.baseline, *behind)),
            leader_difference=self._gap(ahead[0]).difference if ahead else 0.0,
        )

    def result(self, alive: Sequence[_Runner]) -> FinalistsResult:
        """The winner among those still in, and everyone's figures."""
        table = {id(runner): self._finalist(runner) for runner in (self.baseline, *self.rivals)}
        final = sorted((table[id(r)] for r in (self.baseline, *alive)), key=_final_order)
        rest = [table[id(r)] for r in self.rivals if r not in alive]
        rest.sort(key=lambda finalist: (-finalist.rounds, *_final_order(finalist)))
        return FinalistsResult(final[0].prompt, (*final, *rest), self.calls_used)

    def _gap(self, runner: _Runner) -> _Gap:
        pairs = self._by_input(runner.objectives - self.baseline.objectives)
        pairs = pairs[~np.isnan(pairs)]
        if not len(pairs):
            return _Gap(0.0, PRIOR_PAIR_SD, 0)
        variance = (np.square(pairs - pairs.mean()).sum() + PRIOR_PAIR_SD**2) / len(pairs)
        return _Gap(float(pairs.mean()), float(np.sqrt(variance / len(pairs))), len(pairs))

    def _by_input(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean over the rows of each input, which are one piece of evidence together; NaN = no answer."""
        known = [[value for value in values[part] if not np.isnan(value)] for part in self._parts]
        return np.array([sum(some) / len(some) if some else np.nan for some in known])

    def _posterior_gains(self) -> dict[int, float]:
        """By how much everyone is better than the baseline: posterior means, by identity of the runner."""
        runners = [self.baseline, *self.rivals]
        means = np.array([runner.candidate.mean for runner in runners])
        covariance = np.diag([(CAUTION * runner.candidate.sd) ** 2 for runner in runners])
        answers = [self._by_input(runner.objectives) for runner in runners]
        answered = ~np.isnan(answers)
        seen = np.flatnonzero(answered.any(axis=1))
        if len(seen):
            found, noise = _means_and_noise([answers[i] for i in seen])
            prior = covariance[np.ix_(seen, seen)]
            means[seen] += prior @ np.linalg.solve(prior + noise, found - means[seen])
        return {id(runner): float(mean - means[0]) for runner, mean in zip(runners, means, strict=True)}

    def _finalist(self, runner: _Runner) -> Finalist:
        is_baseline = runner is self.baseline
        gap = self._gap(runner)
        answered = ~np.isnan(runner.objectives)
        return Finalist(
            prompt=runner.prompt,
            objective=float(runner.objectives[answered].mean()) if answered.any() else float("nan"),
            score=float(runner.scores[answered].mean()) if answered.any() else float("nan"),
            difference=gap.difference,
            sd=0.0 if is_baseline else gap.sd,
            shrunken=self._gains[id(runner)],
            rows=int(answered.sum()),
            rounds=runner.rounds,
            is_baseline=is_baseline,
        )


def _means_and_noise(answers: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each one's answers, and the covariance of these means: who answers the same rows errs alike.

    Args:
        answers: By input, NaN = none; each has some.
    """
    table = np.stack(answers)
    known = ~np.isnan(table)
    counts = known.sum(axis=1)
    means = np.nanmean(table, axis=1)
    squares = np.nansum(np.square(table - means[:, None]), axis=1)
    sds = np.sqrt((squares + PRIOR_ROWS * PRIOR_VARIANCE) / (counts + PRIOR_ROWS))
    shared = known.astype(np.float64) @ known.T / np.outer(counts, counts)
    noise = ROW_SHARE * np.outer(sds, sds) * shared
    np.fill_diagonal(noise, np.square(sds) / counts)
    return means, noise


def _final_order(finalist: Finalist) -> tuple[float, float, bool]:
    """Best first: by the posterior gain, then fewer tokens, then the baseline.

    The search's posterior alone does not beat the baseline: who showed no lead on these rows is credited with none.
    """
    gain = finalist.shrunken if finalist.difference > 0 else min(0.0, finalist.shrunken)
    return -round(gain, TIE_DIGITS), rough_tokens(finalist.prompt.text), not finalist.is_baseline
