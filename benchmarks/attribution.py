"""Do the 90 % intervals of edit effects cover the exact effect? Simulated runs on full score tables.

``python -m benchmarks.attribution [--runs 300] [--answers 60 100] [--table CONFIG TABLE]``: a table (as
``benchmarks/tables.py`` keeps it) holds what every prompt of the space scores on the same rows, so the exact
effect of an edit is known. Each simulated run draws prompts uniformly and a row for each, and estimates all effects.
Beside the coverage: how wide the intervals are, how often an edit that does nothing is said to do something, and what
the plain difference of means without adjustment would be worth (its error over ours).
"""

import argparse

import numpy as np
import numpy.typing as npt

from benchmarks import kept
from promptrl.stats.main_effects import CONFIDENCE, main_effects

ANSWERS = (50, 60, 80, 100, 200, 300)
NOTHING = 0.005
"""An edit whose exact effect is smaller does nothing."""

FloatArray = npt.NDArray[np.float64]


def exact_effects(holds: npt.NDArray[np.bool_], means: FloatArray) -> FloatArray:
    """Mean of the prompts with each edit minus mean of those without, shape (n_edits,)."""
    return np.array([means[held].mean() - means[~held].mean() for held in holds.T])


def simulate(holds: npt.NDArray[np.bool_], slots: list[str], scores: FloatArray, n: int, runs: int) -> str:
    """One line of the table: ``n`` uniform answers in each of many runs."""
    exact = exact_effects(holds, scores.mean(1))
    cases = []
    for run in range(runs):
        rng = np.random.default_rng([n, run])
        pairs = rng.choice(scores.size, n, replace=False)
        prompts, rows = np.unravel_index(pairs, scores.shape)
        answers = scores[prompts, rows]
        for e in main_effects(holds[prompts], slots, [str(r) for r in rows], list(answers), [True] * n):
            held = holds[prompts, e.edit]
            plain = answers[held].mean() - answers[~held].mean()
            cases.append((exact[e.edit], e.effect, e.low, e.high, plain))
    true, effect, low, high, plain = np.array(cases).T
    covered = (low <= true) & (true <= high)
    by_edit = np.array([covered[true == value].mean() for value in np.unique(true)])
    null = np.abs(true) < NOTHING
    claimed = ((low > 0) | (high < 0))[null].mean() if null.any() else float("nan")
    gain = np.square(plain - true).mean() / np.square(effect - true).mean()
    bias = (effect - true).mean()
    return (
        f"{n:5d} answers  {covered.mean():6.1%} covered (edits {by_edit.min():.1%} to {by_edit.max():.1%})  "
        f"half width {100 * (high - low).mean() / 2:5.1f}  bias {100 * bias:+.2f}  null claimed {claimed:5.1%}  "
        f"variance gained {gain:.2f}x  {len(cases)} cases"
    )


def main() -> None:
    """Print a block of lines for each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kept.add_option(parser)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--answers", type=int, nargs="+", default=ANSWERS)
    arguments = parser.parse_args()
    for task in kept.read(arguments.table):
        holds = np.array([task.space.holds(prompt) for prompt in task.table.prompts])
        slots = [edit.slot for edit in task.space.edits]
        n_prompts, n_rows = task.scores.shape
        print(f"{task.name}: {n_prompts} prompts, {n_rows} rows, intervals of {CONFIDENCE:.0%}")
        for n in arguments.answers:
            print("  " + simulate(holds, slots, task.scores, n, arguments.runs), flush=True)


if __name__ == "__main__":
    main()
