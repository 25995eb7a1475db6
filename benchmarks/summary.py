"""What the runs of the search benchmark add up to: tables for people, one CSV of means, curves.

Means are over seeds, with a 95 % bootstrap interval of the mean and the band that holds 90 % of the seeds. Arms are
compared in pairs on the same world, budget and seed: a bootstrap interval of the mean difference of shares, and two
p-values by Student's t with Holm's correction over all arms and budgets of a kind of world: that they differ, and
that the first arm is not inferior by ``MARGIN`` or more.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

GOAL = 0.9
MARGIN = 0.02
RESAMPLES = 4000
NO_SPREAD = 1e-9

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """One arm on one seed of one kind of world with one budget.

    Attributes:
        world: Kind of world.
        arm: As it was asked for.
        budget: Calls allowed.
        seed: Of world and arm.
        share: Of the achievable gain.
        points: Fresh score of the winner minus the baseline's.
        regret: Fresh score of the oracle minus the winner's.
        baseline: Fresh score.
        oracle: Fresh score.
        calls: Calls spent.
        refused: Calls asked for beyond the budget.
        seconds: Own computing.
        winner: Its prompt id.
    """

    world: str
    arm: str
    budget: int
    seed: int
    share: float
    points: float
    regret: float
    baseline: float
    oracle: float
    calls: int
    refused: int
    seconds: float
    winner: str


class Curves:
    """All runs of one kind of world, by arm and budget.

    Args:
        runs: Of one kind of world; where seeds lack some arm or budget, each comparison uses those that have both.
        arms: In the order of the tables; the first is compared with the others.
        budgets: Ascending.
    """

    def __init__(self, runs: Sequence[Run], arms: Sequence[str], budgets: Sequence[int]) -> None:
        self.arms, self.budgets = tuple(arms), tuple(sorted(budgets))
        self._runs = {(run.arm, run.budget, run.seed): run for run in runs}
        self._seeds = sorted({run.seed for run in runs})

    def values(self, arm: str, budget: int, name: str = "share") -> FloatArray:
        """One number per seed that was run."""
        runs = (self._runs.get((arm, budget, seed)) for seed in self._seeds)
        return np.array([getattr(run, name) for run in runs if run is not None], dtype=np.float64)

    def paired(self, first: str, second: str, budget: int) -> FloatArray:
        """Differences of shares on the seeds that both were run on."""
        pairs = [(self._runs.get((first, budget, s)), self._runs.get((second, budget, s))) for s in self._seeds]
        return np.array([a.share - b.share for a, b in pairs if a is not None and b is not None], dtype=np.float64)

    def matrix(self, arm: str) -> FloatArray:
        """Shares of the seeds that have every budget, shape (seeds, budgets)."""
        lines = [[self._runs.get((arm, budget, seed)) for budget in self.budgets] for seed in self._seeds]
        full = [[run.share for run in line if run is not None] for line in lines if None not in line]
        return np.array(full, dtype=np.float64).reshape(len(full), len(self.budgets))


def interval(values: FloatArray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    low, high = np.quantile(resampled(values[:, None])[:, 0], [0.025, 0.975])
    return float(low), float(high)


def resampled(values: FloatArray) -> FloatArray:
    """Means of bootstrap samples of the lines, shape (RESAMPLES, columns)."""
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES) / len(values)
    return np.asarray(weights @ values)


def calls_to_goal(means: FloatArray, budgets: Sequence[int]) -> FloatArray:
    """First budget from which on the mean share stays at the goal or above.

    Args:
        means: Shape (n, budgets).
        budgets: Ascending.

    Returns:
        Shape (n,); the largest budget where the goal is never reached for good: a lower bound.
    """
    stays = np.logical_and.accumulate(means[:, ::-1] >= GOAL, axis=1)[:, ::-1]
    first = np.where(stays.any(1), stays.argmax(1), len(budgets) - 1)
    return np.array(budgets, dtype=np.float64)[first]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979)."""
    order = np.argsort(p_values)
    raised = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return [float(p) for p in corrected]


Cell = Callable[[Curves, str, int], str]
"""Text of one arm at one budget."""


def report(kind: str, curves: Curves) -> Iterator[str]:
    """The tables of one kind of world, line by line."""
    n = max(len(curves.values(arm, budget)) for arm in curves.arms for budget in curves.budgets)
    baseline, oracle = (np.mean(curves.values(curves.arms[0], curves.budgets[-1], x)) for x in ("baseline", "oracle"))
    yield f"\n## {kind}: up to {n} seeds, baseline {100 * baseline:.1f}, oracle {100 * oracle:.1f}\n"
    yield from _table("share: mean [95 % of the mean]", curves, _mean_cell)
    yield from _table("share: 90 % of the seeds", curves, _band_cell)
    yield from _table("points gained (regret)", curves, _points_cell)
    yield from _table("seconds of own computing per 1,000 calls", curves, _seconds_cell)
    yield from _table("calls spent, mean (refused beyond the budget)", curves, _calls_cell)
    yield from _goal_lines(curves)
    yield from _pair_lines(curves)


def _table(title: str, curves: Curves, cell: Cell) -> Iterator[str]:
    width = max(len(arm) for arm in curves.arms)
    yield f"{title}\n{'':{width}}" + "".join(f"{budget:>20}" for budget in curves.budgets)
    for arm in curves.arms:
        cells = (cell(curves, arm, b) if len(curves.values(arm, b)) else "-" for b in curves.budgets)
        yield f"{arm:{width}}" + "".join(f"{text:>20}" for text in cells)
    yield ""


def _mean_cell(curves: Curves, arm: str, budget: int) -> str:
    values = curves.values(arm, budget)
    low, high = interval(values)
    return f"{values.mean():.3f} [{low:.2f}, {high:.2f}]"


def _band_cell(curves: Curves, arm: str, budget: int) -> str:
    low, high = np.quantile(curves.values(arm, budget), [0.05, 0.95])
    return f"{low:.2f} to {high:.2f}"


def _points_cell(curves: Curves, arm: str, budget: int) -> str:
    points, regret = (100 * curves.values(arm, budget, name).mean() for name in ("points", "regret"))
    return f"{points:+.1f} ({regret:.1f})"


def _seconds_cell(curves: Curves, arm: str, budget: int) -> str:
    return f"{1000 * curves.values(arm, budget, 'seconds').sum() / curves.values(arm, budget, 'calls').sum():.2f}"


def _calls_cell(curves: Curves, arm: str, budget: int) -> str:
    calls, refused = (curves.values(arm, budget, name).mean() for name in ("calls", "refused"))
    return f"{calls:.0f} ({refused:.0f})"


def _goal_lines(curves: Curves) -> Iterator[str]:
    """Calls to the goal, and how many times the first arm's calls each other arm needs."""
    budgets = curves.budgets
    yield f"calls until the mean share is {GOAL} or more for good (> = not by then, counted as then)"
    first = resampled(curves.matrix(curves.arms[0])) if len(curves.matrix(curves.arms[0])) else None
    for arm in curves.arms:
        matrix = curves.matrix(arm)
        if not len(matrix):
            continue
        reached = calls_to_goal(matrix.mean(0, keepdims=True), budgets)[0]
        censored = ">" if matrix.mean(0)[-1] < GOAL else ""
        samples = calls_to_goal(resampled(matrix), budgets)
        low, high = np.quantile(samples, [0.025, 0.975])
        line = f"  {arm}: {censored}{reached:.0f} [{low:.0f}, {high:.0f}]"
        if first is not None and arm != curves.arms[0]:
            ratio = calls_to_goal(first, budgets) / samples
            low, high = np.quantile(ratio, [0.025, 0.975])
            mine = calls_to_goal(curves.matrix(curves.arms[0]).mean(0, keepdims=True), budgets)[0]
            line += f"; {curves.arms[0]} needs {mine / reached:.2f} of that [{low:.2f}, {high:.2f}]"
        yield line
    yield ""


def _pair_lines(curves: Curves) -> Iterator[str]:
    """The first arm against every other, paired."""
    first = curves.arms[0]
    compared = [
        (arm, budget, curves.paired(first, arm, budget)) for arm in curves.arms[1:] for budget in curves.budgets
    ]
    compared = [(arm, budget, gaps) for arm, budget, gaps in compared if len(gaps) > 1]
    if not compared:
        return
    differs = holm([_p_value(gaps, 0.0, "two-sided") for _, _, gaps in compared])
    inferior = holm([_p_value(gaps, -MARGIN, "greater") for _, _, gaps in compared])
    yield f"{first} minus another arm, paired: share [95 %], p that they differ, p for inferior by {MARGIN} (Holm)"
    for (arm, budget, gaps), p_differs, p_inferior in zip(compared, differs, inferior, strict=True):
        low, high = interval(gaps)
        figures = f"{gaps.mean():+.3f} [{low:+.3f}, {high:+.3f}]  p {p_differs:.3f}  inferior {p_inferior:.3f}"
        yield f"  {arm:24} {budget:6}  {figures}  n {len(gaps)}"


def _p_value(gaps: FloatArray, mean: float, alternative: Literal["two-sided", "greater"]) -> float:
    """Of Student's t test; gaps without any spread leave no doubt."""
    if np.ptp(gaps) < NO_SPREAD:
        beats = gaps[0] > mean if alternative == "greater" else abs(gaps[0] - mean) > NO_SPREAD
        return 0.0 if beats else 1.0
    return float(stats.ttest_1samp(gaps, mean, alternative=alternative).pvalue)


def write_summary(path: Path, kinds: Mapping[str, Curves]) -> None:
    """One line per kind of world, arm and budget."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        names = ("share", "low", "high", "seed_low", "seed_high", "points", "regret", "seconds_per_1000_calls")
        table.writerow(("world", "arm", "budget", "seeds", *names))
        for kind, curves in kinds.items():
            for arm in curves.arms:
                for budget in curves.budgets:
                    if len(curves.values(arm, budget)):
                        table.writerow((kind, arm, budget, *_figures(curves, arm, budget)))


def _figures(curves: Curves, arm: str, budget: int) -> list[str]:
    shares = curves.values(arm, budget)
    points, regret, seconds, calls = (
        curves.values(arm, budget, name).mean() for name in ("points", "regret", "seconds", "calls")
    )
    band = np.quantile(shares, [0.05, 0.95])
    numbers = (shares.mean(), *interval(shares), *band, points, regret, 1000 * seconds / calls)
    return [str(len(shares)), *(f"{number:.4f}" for number in numbers)]


def plot(kind: str, curves: Curves, path: Path) -> None:
    """Mean share against calls, with the interval of the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for arm in curves.arms:
        budgets = [budget for budget in curves.budgets if len(curves.values(arm, budget))]
        shares = [curves.values(arm, budget) for budget in budgets]
        if not budgets:
            continue
        low, high = np.array([interval(values) for values in shares]).T
        axes.plot(budgets, [values.mean() for values in shares], marker="o", markersize=3, label=arm)
        axes.fill_between(budgets, low, high, alpha=0.15)
    axes.axhline(GOAL, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=kind, xlabel="calls (search and validation)", ylabel="share of the achievable gain", xscale="log")
    axes.set_xticks(curves.budgets, [str(budget) for budget in curves.budgets])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.savefig(path)
