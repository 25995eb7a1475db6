"""Arms that know nothing of prompts but their answers: what any search has to beat where wording says nothing.

The calls of the whole run are theirs, on the rows of the search and of the finals together. Where the space is larger
than the calls, they work on as many prompts drawn at random, the baseline among them. Everyone in a round is asked on
the same rows. ``uniform`` shares the calls out equally, ``sequential_halving`` is Karnin et al. 2013 over the whole
budget (at least one row in the first round), ``toptwo`` is top-two Thompson sampling (Russo 2016) with a beta
posterior.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, log2
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.table_evaluator import TableEvaluator
from benchmarks.worlds import Arm, ArmResult, World
from promptrl.prompts.prompt import Prompt
from promptrl.tasks.dataset import Example

Indices = npt.NDArray[np.intp]

DRAWS_EACH = 4
"""Prompts are drawn so many times as often as calls, to find that many different ones."""
SECOND_SHARE = 0.5
BATCH = 16
RESAMPLES = 20


class Counts:
    """Answers of some prompts so far; each prompt gets the rows in one order.

    Args:
        world: To ask.
        max_calls: In all.
        rng: Draws the prompts and the order of the rows.
        most: Prompts to draw at most.
    """

    def __init__(self, world: World, max_calls: int, rng: np.random.Generator, most: int) -> None:
        self.evaluator: TableEvaluator = world.evaluator(max_calls)
        rows = (*world.train, *world.validation)
        self.rows: list[Example] = [rows[i] for i in rng.permutation(len(rows))]
        self.prompts = _draw(world, rng, most)
        self.asked = np.zeros(len(self.prompts), dtype=np.intp)
        self.total = np.zeros(len(self.prompts))

    @property
    def calls_left(self) -> int:
        """Calls that may still be spent."""
        return self.evaluator.calls_left("search")

    def ask(self, which: Indices) -> None:
        """Ask each of these prompts on its next row, as far as calls and rows last."""
        asks = []
        for i in which[: self.calls_left]:
            if self.asked[i] < len(self.rows):
                asks.append((i, self.rows[self.asked[i]]))
                self.asked[i] += 1
        outcomes = self.evaluator.evaluate([(self.prompts[i], row) for i, row in asks])
        for (i, _), outcome in zip(asks, outcomes, strict=True):
            self.total[i] += outcome.objective if outcome else 0.0

    def means(self, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Mean of each one's answers, -inf without any; ties are broken at random."""
        means = np.where(self.asked > 0, self.total / np.maximum(1, self.asked), -np.inf)
        return np.asarray(means + 1e-9 * rng.random(len(means)))


Allocate = Callable[[Counts, np.random.Generator], int]


def allocation(name: str, params: Mapping[str, Any]) -> Arm:
    """The arm of that name."""
    if params:
        raise SystemExit(f"{name} has no settings, got {', '.join(params)}")
    return partial(_run, *ALLOCATIONS[name])


def _run(allocate: Allocate, share: Callable[[int], int], world: World, max_calls: int, seed: int) -> ArmResult:
    rng, began = np.random.default_rng(seed), process_time()
    counts = Counts(world, max_calls, rng, share(max_calls))
    winner = counts.prompts[allocate(counts, rng)]
    seconds = process_time() - began - counts.evaluator.seconds
    return ArmResult(winner, counts.evaluator.calls, counts.evaluator.refused, seconds)


def _uniform(counts: Counts, rng: np.random.Generator) -> int:
    while counts.calls_left and counts.asked.min() < len(counts.rows):
        counts.ask(np.arange(len(counts.prompts)))
    return int(counts.means(rng).argmax())


def _halve(counts: Counts, rng: np.random.Generator) -> int:
    alive = np.arange(len(counts.prompts))
    rounds = max(1, ceil(log2(len(alive))))
    for number in range(rounds):
        calls = counts.calls_left // (rounds - number)
        for _ in range(max(1, calls // len(alive))):
            counts.ask(alive)
        order = np.argsort(-counts.means(rng)[alive])
        alive = alive[order[: ceil(len(alive) / 2)]]
    return int(alive[0])


def _top_two(counts: Counts, rng: np.random.Generator) -> int:
    while counts.calls_left:
        left = counts.calls_left
        counts.ask(np.array([_sample(counts, rng) for _ in range(min(BATCH, left))]))
        if counts.calls_left == left:
            break
    mean = (counts.total + 1) / (counts.asked + 2)
    return int(mean.argmax())


def _sample(counts: Counts, rng: np.random.Generator) -> int:
    def draw() -> int:
        return int(rng.beta(1 + counts.total, 1 + counts.asked - counts.total).argmax())

    first = draw()
    if rng.random() < SECOND_SHARE:
        return first
    return next((second for second in (draw() for _ in range(RESAMPLES)) if second != first), first)


def _halving_size(max_calls: int) -> int:
    """The most prompts that every round can ask on one row at least."""
    return max(n for n in range(1, max_calls + 1) if n * max(1, ceil(log2(max(1, n)))) <= max_calls)


def _draw(world: World, rng: np.random.Generator, most: int) -> list[Prompt]:
    """Different prompts, the baseline first."""
    found = {world.space.baseline.prompt_id: world.space.baseline}
    for _ in range(DRAWS_EACH * most):
        if len(found) >= most:
            break
        prompt = world.space.draw(rng)
        found.setdefault(prompt.prompt_id, prompt)
    return list(found.values())


ALLOCATIONS: Mapping[str, tuple[Allocate, Callable[[int], int]]] = {
    "uniform": (_uniform, lambda max_calls: max_calls),
    "sequential_halving": (_halve, _halving_size),
    "toptwo": (_top_two, lambda max_calls: max_calls),
}
"""What each does with the calls, and how many prompts it begins with at most."""
