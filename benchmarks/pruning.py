"""Does pruning leave only what is worth something, without costing test score? Simulated on full score tables.

``python -m benchmarks.pruning [--winners 100] [--calls 78 168] [--answered 36] [--baseline own] [--table CONFIG
TABLE]``: a table (as ``benchmarks/tables.py`` keeps it) holds what every prompt scores on the same rows. A third of
them, drawn anew for each winner, are train rows: 300 answers there, as a search asks them, teach a surrogate. The best
eight of all prompts by its belief are the finalists; the winner is the best of them on as many validation rows as the
finals reached (``--answered``). ``--calls`` is what is left then: about 78 in the quickstart, 168 or more in longer
runs. With ``--baseline full`` the user's prompt is another one for each winner, of a middling score and with an option
in each slot, so that edits leave options out or swap them, as they drop sentences of a plain text.

A line says how many edits a winner has before and after, in how many of them leaving the edit out loses score (exactly,
over all rows), what pruning did to the score on test rows, and how often the 90 % intervals of what an edit is worth in
the winner hold its exact worth.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks import kept
from benchmarks.table_evaluator import TableEvaluator
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.surrogate.belief import believed_gain
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from promptrl.selection.leave_one_out import leave_one_outs
from promptrl.selection.pruning import Pruning, prune_winner
from promptrl.tasks.dataset import Example

FINALISTS, SEARCH_CALLS, LEADERS = 8, 300, 60
FITS = (100, 170, 240)
"""Answers after which the search asks among the leaders of what it believes then."""
UNIFORM = 10
"""Each so many-th ask is drawn uniformly."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that ended: the space as its user sees it, its belief, its best prompts by their lines in the table."""

    space: EditSpace
    moves: Moves
    surrogate: Surrogate
    finalists: IntArray
    validation: IntArray
    test: IntArray


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did to one winner: exact worths of its edits before and after, the change of its test score."""

    pruning: Pruning
    before: tuple[float, ...]
    after: tuple[float, ...]
    change: float
    covered: tuple[bool, ...]


def searches(task: kept.Kept, winners: int, *, is_full: bool) -> Iterator[Searched]:
    """Searches of one task that differ in rows, asks and, with full baselines, in the user's prompt."""
    features = np.stack([Moves(task.space).features(prompt) for prompt in task.table.prompts])
    for number in range(winners):
        rng = np.random.default_rng(number)
        train, validation, test = np.array_split(rng.permutation(task.scores.shape[1]), 3)
        moves = Moves(task.space)
        surrogate = Surrogate(moves.table, [str(at) for at in train], rng=rng.spawn(1)[0])
        leaders = np.arange(len(features))
        for call in range(SEARCH_CALLS):
            if call in FITS:
                surrogate.fit()
                leaders = np.argsort(-surrogate.mean(features))[:LEADERS]
            line = int(rng.integers(len(features)) if call % UNIFORM == 0 else rng.choice(leaders))
            row = int(rng.integers(len(train)))
            surrogate.add(task.table.prompts[line].prompt_id, features[line], row, float(task.scores[line, train[row]]))
        surrogate.fit()
        space = _with_full_baseline(task, number) if is_full else task.space
        best = np.argsort(-surrogate.mean(features))[:FINALISTS]
        yield Searched(space, moves, surrogate, best, validation, test)


def prune(task: kept.Kept, found: Searched, calls: int, n_answered: int) -> Pruned:
    """Hold finals and prune the winner."""
    lines = {prompt.prompt_id: line for line, prompt in enumerate(task.table.prompts)}
    means, rows = task.scores.mean(1), [Example(str(at), {"x": str(at)}, "", {}) for at in found.validation]

    def look_up(asks: Sequence[Ask]) -> FloatArray:
        return task.scores[[lines[prompt.prompt_id] for prompt, _ in asks], [int(row.id) for _, row in asks]]

    def worths(prompt: Prompt) -> dict[int, float]:
        """By how much leaving an edit out changes the score on all rows."""
        others = leave_one_outs(prompt, found.space)
        return {edit: float(means[lines[prompt.prompt_id]] - means[lines[p.prompt_id]]) for edit, p in others.items()}

    raced = task.scores[np.ix_(found.finalists, found.validation[:n_answered])].mean(1)
    winner = task.table.prompts[found.finalists[int(np.argmax(raced))]]
    evaluator = TableEvaluator(look_up)
    evaluator.evaluate([(p, row) for p in (winner, found.space.baseline) for row in rows[:n_answered]], "validation")
    gain = believed_gain(found.surrogate, found.moves)
    pruning = prune_winner(winner, found.space, rows, evaluator, max_calls=calls, gain=gain)
    exact = worths(winner)
    before, after = (task.scores[lines[p.prompt_id], found.test].mean() for p in (winner, pruning.prompt))
    covered = tuple(edit.worth.low <= exact[edit.edit] <= edit.worth.high for edit in pruning.edits)
    return Pruned(
        pruning, tuple(exact.values()), tuple(worths(pruning.prompt).values()), float(after - before), covered
    )


def _with_full_baseline(task: kept.Kept, number: int) -> EditSpace:
    """The same space seen from a prompt with an option in each slot and a middling score."""
    means, prompts = task.scores.mean(1), task.table.prompts
    most = max(len(prompt.slots) for prompt in prompts)
    fitting = [
        prompt
        for prompt, mean in zip(prompts, means, strict=True)
        if len(prompt.slots) == most and 0.2 * means.max() < mean < 0.9 * means.max()
    ]
    baseline = fitting[int(np.random.default_rng(number).integers(len(fitting)))]
    return EditSpace(baseline, task.space.factors, task.space.slot_order)


def describe(found: Sequence[Pruned], calls: int) -> str:
    """One line: many winners pruned."""
    changes = np.array([one.change for one in found])
    before = np.array([worth for one in found for worth in one.before])
    after = np.array([worth for one in found for worth in one.after])
    covered = [is_held for one in found for is_held in one.covered]
    tokens = [np.mean([getattr(one.pruning, name) for one in found]) for name in ("tokens_before", "tokens_after")]
    obstacles = Counter(one.pruning.skip_reason for one in found if one.pruning.skip_reason)
    return (
        f"{calls:4d} calls  edits {len(before) / len(found):.2f} -> {len(after) / len(found):.2f}  "
        f"worth something {np.mean(before > 0):.0%} -> {np.mean(after > 0):.0%}  "
        f"tokens {tokens[0]:5.1f} -> {tokens[1]:5.1f}  "
        f"test score {100 * changes.mean():+.2f} ± {100 * changes.std(ddof=1) / len(changes) ** 0.5:.2f} points "
        f"(worst {100 * changes.min():+.1f})  covered {np.mean(covered):.1%} of {len(covered)}  {dict(obstacles)}"
    )


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kept.add_option(parser)
    parser.add_argument("--winners", type=int, default=100)
    parser.add_argument("--calls", type=int, nargs="+", default=(78, 168))
    parser.add_argument("--answered", type=int, default=36)
    parser.add_argument("--baseline", choices=("own", "full"), default="own")
    arguments = parser.parse_args()
    for task in kept.read(arguments.table):
        found = list(searches(task, arguments.winners, is_full=arguments.baseline == "full"))
        for calls in arguments.calls:
            line = describe([prune(task, one, calls, arguments.answered) for one in found], calls)
            print(f"{task.name:12s}{line}", flush=True)


if __name__ == "__main__":
    main()
