"""GEPA (Agrawal et al. 2025) on the pool: its Pareto front, minibatch acceptance and merges as they are.

Where its reflection model would rewrite a component, the adapter takes an option of that component which it has
proposed least often for that parent. The validation set, which GEPA asks in full for every accepted candidate, is as
many rows as leave room for about ``FULL_EVALUATIONS`` of them; its minibatches come from the other rows. 6, 12, 20 and
30 of them were tried at 300 calls, on seeds from 1000 on: 12 was best on a table, 20 on landscapes.
"""

import contextlib
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.pool import Code, Pool
from promptrl.errors import BudgetExhaustedError
from promptrl.tasks.dataset import Example

FULL_EVALUATIONS = 16
MIN_VALIDATION_ROWS = 8
MOST_REPEATS = 4
"""GEPA counts a pair each time that it asks for it, we count it once: it goes on, but not for ever."""

Candidate = dict[str, str]


class PoolAdapter:
    """GEPA's view of the pool: a candidate has one component a variable, its text is the number of a value."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self._pool = pool
        self._sizes = dict(zip(pool.names, pool.sizes, strict=True))
        self._proposed: Counter[tuple[str, ...]] = Counter()
        self._random = random.Random(seed)

    def code(self, candidate: Mapping[str, str]) -> Code:
        """The code of a candidate."""
        return tuple(int(candidate[name]) for name in self._pool.names)

    def evaluate(self, batch: list[Example], candidate: Candidate, capture_traces: bool = False) -> Any:
        """Score a candidate on rows."""
        from gepa import EvaluationBatch

        scores = self._pool.score([(self.code(candidate), row) for row in batch])
        return EvaluationBatch(outputs=scores, scores=scores, trajectories=scores if capture_traces else None)

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Nothing to reflect on but the scores."""
        return {name: [{"score": score} for score in eval_batch.scores] for name in components_to_update}

    def propose_new_texts(
        self, candidate: Candidate, reflective_dataset: Mapping[str, Any], components_to_update: list[str]
    ) -> Candidate:
        """For each component an option that was proposed least often for this parent."""
        parent = tuple(candidate.values())
        new = {}
        for name in components_to_update:
            values = [str(value) for value in range(self._sizes[name]) if str(value) != candidate[name]]
            self._random.shuffle(values)
            new[name] = min(values, key=lambda value: self._proposed[(*parent, name, value)])
            self._proposed[(*parent, name, new[name])] += 1
        return new


class NoLog:
    """GEPA's logger."""

    def log(self, message: str) -> None:
        """Say nothing."""


def search(pool: Pool, max_calls: int, seed: int, full_evaluations: int = FULL_EVALUATIONS, minibatch: int = 3) -> Code:
    """Run GEPA until its calls are spent.

    Args:
        pool: To search.
        max_calls: In all.
        seed: GEPA's own, and the proposer's.
        full_evaluations: Sets the size of the validation set.
        minibatch: Rows on which parent and child are compared; 3 is GEPA's default.

    Returns:
        GEPA's best candidate by its validation mean.
    """
    from gepa import optimize
    from gepa.core.result import GEPAResult

    n_validation = min(len(pool.rows) // 2, max(MIN_VALIDATION_ROWS, max_calls // full_evaluations))
    adapter = PoolAdapter(pool, seed)
    states: deque[Any] = deque(maxlen=1)

    def is_over(state: Any) -> bool:
        """Whether no call is left; remembers the state, as nothing is returned when a call is refused."""
        states.append(state)
        return pool.evaluator.calls_left("search") == 0

    with contextlib.suppress(BudgetExhaustedError):
        optimize(
            seed_candidate=dict.fromkeys(pool.names, "0"),
            trainset=list(pool.rows[n_validation:]),
            valset=list(pool.rows[:n_validation]),
            adapter=adapter,
            reflection_minibatch_size=minibatch,
            use_merge=True,
            cache_evaluation=True,
            max_metric_calls=MOST_REPEATS * max_calls,
            stop_callbacks=[is_over],
            logger=NoLog(),
            seed=seed,
        )
    return adapter.code(GEPAResult.from_state(states[0]).best_candidate)
