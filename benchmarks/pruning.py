"""Does pruning shorten good prompts without costing test score? Simulated on full score tables.

``python -m benchmarks.pruning [--winners 100] [--calls 78 168] [--answered 36] [--table CONFIG TABLE]``: a table (as
``benchmarks/tables.py`` keeps it) holds what every prompt scores on the same rows.
Half of the rows, drawn anew for each winner, are validation rows, the others test rows. A winner is the best on
validation rows of eight prompts that have at least half of the best possible gain, as a search hands them over: some
of their edits do nothing. ``--answered`` is how many validation rows the finals reached, ``--calls`` what is left then:
about 35 and 78 in the quickstart, 100 and 168 or more in longer runs. Beside what pruning does: how often the 90 %
intervals of what an edit is worth in the winner hold its exact worth, over all rows of the table, and why nothing was
pruned.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks import kept
from benchmarks.table_evaluator import TableEvaluator
from benchmarks.tables import Table
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.space import EditSpace
from promptrl.selection.leave_one_out import leave_one_outs
from promptrl.selection.pruning import Pruning, prune_winner
from promptrl.tasks.dataset import Example

FINALISTS = 8
SHARE_OF_GAIN = 0.5

FloatArray = npt.NDArray[np.float64]


def simulate(space: EditSpace, table: Table, scores: FloatArray, winners: int, calls: int, n_answered: int) -> str:
    """One line: many winners pruned, with what that did to their length and to their score on test rows."""
    lines = {prompt.prompt_id: line for line, prompt in enumerate(table.prompts)}
    means = scores.mean(1)
    baseline = lines[space.baseline.prompt_id]
    good = np.flatnonzero(means >= means[baseline] + SHARE_OF_GAIN * (means.max() - means[baseline]))
    rows = [Example(str(at), {"x": str(at)}, "", {}) for at in range(scores.shape[1])]
    found: list[tuple[Pruning, float]] = []
    worths: list[bool] = []
    for number in range(winners):
        rng = np.random.default_rng(number)
        order = rng.permutation(len(rows))
        validation, test = order[: len(rows) // 2], order[len(rows) // 2 :]
        finalists = rng.choice(good, min(FINALISTS, len(good)), replace=False)
        winner = table.prompts[finalists[np.argmax(scores[np.ix_(finalists, validation)].mean(1))]]
        evaluator = TableEvaluator(partial(_look_up, scores, lines))
        offered = [rows[at] for at in validation]
        answered = [(prompt, row) for prompt in (winner, space.baseline) for row in offered[:n_answered]]
        evaluator.evaluate(answered, "validation")
        pruning = prune_winner(winner, space, offered, evaluator, max_calls=calls)
        without = leave_one_outs(winner, space)
        for edit in pruning.edits:
            exact = means[lines[winner.prompt_id]] - means[lines[without[edit.edit].prompt_id]]
            worths.append(edit.worth.low <= exact <= edit.worth.high)
        before, after = (scores[lines[prompt.prompt_id], test].mean() for prompt in (winner, pruning.prompt))
        found.append((pruning, float(after - before)))
    pruned = [(pruning, change) for pruning, change in found if pruning.change is not None]
    changes = np.array([change for _, change in found])
    error = changes.std(ddof=1) / len(changes) ** 0.5
    before, after = (np.mean([getattr(p, name) for p, _ in found]) for name in ("tokens_before", "tokens_after"))
    obstacles = Counter(pruning.skip_reason for pruning, _ in found if pruning.skip_reason)
    return (
        f"{calls:4d} calls  {len(pruned):3d} of {winners} winners pruned  tokens {before:5.1f} -> {after:5.1f}  "
        f"test score {100 * changes.mean():+.2f} ± {100 * error:.2f} points "
        f"(pruned ones {100 * np.mean([c for _, c in pruned] or [0]):+.2f}, worst {100 * changes.min():+.1f})  "
        f"worth covered {np.mean(worths) if worths else float('nan'):.1%} of {len(worths)}  {dict(obstacles)}"
    )


def _look_up(scores: FloatArray, lines: Mapping[str, int], asks: Sequence[Ask]) -> FloatArray:
    """What pairs score; the id of a row is its column."""
    return scores[[lines[prompt.prompt_id] for prompt, _ in asks], [int(row.id) for _, row in asks]]


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kept.add_option(parser)
    parser.add_argument("--winners", type=int, default=100)
    parser.add_argument("--calls", type=int, nargs="+", default=(78, 168))
    parser.add_argument("--answered", type=int, default=100)
    arguments = parser.parse_args()
    for task in kept.read(arguments.table):
        for calls in arguments.calls:
            line = simulate(task.space, task.table, task.scores, arguments.winners, calls, arguments.answered)
            print(f"{task.name:12s}{line}", flush=True)


if __name__ == "__main__":
    main()
