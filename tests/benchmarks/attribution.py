"""Do the 90 % intervals of edit effects cover the exact effect? Simulated runs on full score tables.

``python tests/benchmarks/attribution.py configs/arithmetic.yaml table.npz [CONFIG TABLE ...] [--runs 300]``: a table
(as ``tests/benchmarks/tables.py`` keeps it) holds what every prompt of the space scores on the same rows, so the exact
effect of an edit is known. Each simulated run draws prompts uniformly and a row for each, and estimates all effects.
Beside the coverage: how wide the intervals are, how often an edit that does nothing is said to do something, and what
the plain difference of means without adjustment would be worth (its error over ours).
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tables import load

from promptrl.analysis.attribution import CONFIDENCE, main_effects
from promptrl.config import load_config
from promptrl.parts import build_parts

ANSWERS = (80, 100, 200, 300)
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
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+", type=Path, metavar="CONFIG TABLE")
    parser.add_argument("--runs", type=int, default=300)
    arguments = parser.parse_args()
    for config, path in zip(arguments.pairs[::2], arguments.pairs[1::2], strict=True):
        parts = build_parts(load_config(config))
        table = load(path, parts)
        column = parts.objective.gate_metric
        holds = np.array([parts.space.holds(prompt) for prompt in table.prompts])
        slots = [edit.slot for edit in parts.space.edits]
        n_prompts, n_rows = table.scores[column].shape
        print(f"{config.stem}: {n_prompts} prompts, {n_rows} rows, intervals of {CONFIDENCE:.0%}")
        for n in ANSWERS:
            print("  " + simulate(holds, slots, table.scores[column], n, arguments.runs), flush=True)


if __name__ == "__main__":
    main()
