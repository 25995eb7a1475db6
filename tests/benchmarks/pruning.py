"""Does pruning shorten good prompts without costing test score? Simulated on full score tables.

``python tests/benchmarks/pruning.py configs/arithmetic.yaml table.npz [CONFIG TABLE ...] [--winners 100]
[--calls 168]``: a table (as ``tests/benchmarks/tables.py`` keeps it) holds what every prompt scores on the same rows.
Half of the rows, drawn anew for each winner, are validation rows, the others test rows. A winner is the best on
validation rows of eight prompts that have at least half of the best possible gain, as a search hands them over: some
of their edits do nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tables import Table, load

from promptrl.analysis.pruning import Pruning, prune_winner
from promptrl.config import load_config
from promptrl.evaluation import Outcome
from promptrl.llm.base import Completion
from promptrl.parts import build_parts
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

FINALISTS = 8
SHARE_OF_GAIN = 0.5

FloatArray = npt.NDArray[np.float64]


class TableEvaluator:
    """Answers from a table; the id of a row is its column."""

    def __init__(self, lines: dict[str, int], scores: FloatArray) -> None:
        self._lines = lines
        self._scores = scores
        self._known: dict[tuple[str, str], Outcome] = {}

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """In the order in which they were first asked."""
        return tuple(self._known.values())

    def would_cost(self, asks: Sequence[tuple[Prompt, Example]]) -> int:
        """Pairs not asked yet."""
        return len({(prompt.prompt_id, row.id) for prompt, row in asks} - self._known.keys())

    def evaluate(self, asks: Sequence[tuple[Prompt, Example]], purpose: str = "validation") -> list[Outcome]:
        """One outcome per pair."""
        for prompt, row in asks:
            score = float(self._scores[self._lines[prompt.prompt_id], int(row.id)])
            outcome = Outcome(prompt.prompt_id, row.id, 0, purpose, Completion(""), {}, score, score)
            self._known.setdefault((prompt.prompt_id, row.id), outcome)
        return [self._known[prompt.prompt_id, row.id] for prompt, row in asks]


def simulate(space: EditSpace, table: Table, scores: FloatArray, winners: int, calls: int) -> str:
    """One line: many winners pruned, with what that did to their length and to their score on test rows."""
    lines = {prompt.prompt_id: line for line, prompt in enumerate(table.prompts)}
    means = scores.mean(1)
    baseline = lines[space.baseline.prompt_id]
    good = np.flatnonzero(means >= means[baseline] + SHARE_OF_GAIN * (means.max() - means[baseline]))
    rows = [Example(str(at), {}, "", {}) for at in range(scores.shape[1])]
    found: list[tuple[Pruning, float]] = []
    for number in range(winners):
        rng = np.random.default_rng(number)
        order = rng.permutation(len(rows))
        validation, test = order[: len(rows) // 2], order[len(rows) // 2 :]
        finalists = rng.choice(good, min(FINALISTS, len(good)), replace=False)
        winner = table.prompts[finalists[np.argmax(scores[np.ix_(finalists, validation)].mean(1))]]
        evaluator = TableEvaluator(lines, scores)
        met = [rows[at] for at in validation]
        evaluator.evaluate([(prompt, row) for prompt in (winner, space.baseline) for row in met])
        pruning = prune_winner(winner, space, met, evaluator, max_calls=calls)
        before, after = (scores[lines[prompt.prompt_id], test].mean() for prompt in (winner, pruning.prompt))
        found.append((pruning, float(after - before)))
    pruned = [(pruning, change) for pruning, change in found if pruning.change is not None]
    changes = np.array([change for _, change in found])
    error = changes.std(ddof=1) / len(changes) ** 0.5
    before, after = (np.mean([getattr(p, name) for p, _ in found]) for name in ("tokens_before", "tokens_after"))
    return (
        f"{len(pruned):3d} of {winners} winners pruned  tokens {before:5.1f} -> {after:5.1f}  "
        f"test score {100 * changes.mean():+.2f} ± {100 * error:.2f} points "
        f"(pruned ones {100 * np.mean([c for _, c in pruned]):+.2f}, worst {100 * changes.min():+.1f})"
    )


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+", type=Path, metavar="CONFIG TABLE")
    parser.add_argument("--winners", type=int, default=100)
    parser.add_argument("--calls", type=int, default=168)
    arguments = parser.parse_args()
    for config, path in zip(arguments.pairs[::2], arguments.pairs[1::2], strict=True):
        parts = build_parts(load_config(config))
        table = load(path, parts)
        scores = table.scores[parts.objective.gate_metric]
        print(
            f"{config.stem:12s}" + simulate(parts.space, table, scores, arguments.winners, arguments.calls), flush=True
        )


if __name__ == "__main__":
    main()
