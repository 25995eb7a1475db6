"""DSPy's MIPROv2 (Opsahl-Ong et al. 2024) on the pool: its own search over fixed instructions, without demonstrations.

A program has one predictor a variable of the pool, and the instruction of a predictor is the number of a value. The
steps that write instructions and demonstrations with a language model are replaced by the pool; the search itself
(multivariate TPE over minibatches, a full evaluation of the best mean every few trials) runs as DSPy has it. Its
trials are as many as the calls surely pay for. DSPy's defaults (minibatches of 35, a full evaluation every 5 trials)
need thousands of calls; the sizes here were the best of seven at 300 calls, on seeds from 1000 on.
"""

from typing import Any

from benchmarks.pool import Code, Pool

MINIBATCH = 3
VALIDATION_SHARE = 15
MIN_VALIDATION_ROWS, MAX_VALIDATION_ROWS = 12, 80
FULL_EVALUATION_STEPS = 10


def search(
    pool: Pool,
    max_calls: int,
    seed: int,
    minibatch: int = MINIBATCH,
    validation: int | None = None,
    steps: int = FULL_EVALUATION_STEPS,
) -> Code:
    """Run MIPROv2 with as many trials as the calls pay for.

    Args:
        pool: To search.
        max_calls: In all.
        seed: MIPROv2's own; it takes 0 for none, so 1 is added.
        minibatch: Rows of a trial.
        validation: Rows of a full evaluation; None = by the calls.
        steps: Trials between full evaluations.

    Returns:
        The program that MIPROv2 returns.
    """
    import dspy

    class Program(dspy.Module):  # type: ignore[misc]  # the package has no types
        def __init__(self) -> None:
            self.choices = [dspy.Predict(dspy.Signature("row -> answer", "0")) for _ in pool.names]

        @property
        def code(self) -> Code:
            return tuple(int(choice.signature.instructions) for choice in self.choices)

        def forward(self, row: int) -> Any:
            return dspy.Prediction(score=pool.score([(self.code, pool.rows[row])])[0])

    class PoolMIPROv2(dspy.MIPROv2):  # type: ignore[misc]  # likewise
        def _bootstrap_fewshot_examples(self, *args: Any, **kwargs: Any) -> None:
            return None

        def _propose_instructions(self, *args: Any, **kwargs: Any) -> dict[int, list[str]]:
            return {i: [str(value) for value in range(size)] for i, size in enumerate(pool.sizes)}

    by_calls = min(max(max_calls // VALIDATION_SHARE, MIN_VALIDATION_ROWS), MAX_VALIDATION_ROWS)
    validation = min(validation or by_calls, len(pool.rows))
    rows = [dspy.Example(row=row).with_inputs("row") for row in range(validation)]
    optimiser = PoolMIPROv2(
        metric=lambda example, prediction, trace=None: prediction.score,
        prompt_model=_NO_MODEL,
        task_model=_NO_MODEL,
        max_bootstrapped_demos=0,
        max_labeled_demos=0,
        auto=None,
        num_candidates=max(pool.sizes),
        num_threads=1,
        seed=seed + 1,
        track_stats=False,
    )
    best = optimiser.compile(
        Program(),
        trainset=rows,
        valset=rows,
        num_trials=affordable_trials(max_calls, min(minibatch, validation), validation, steps),
        minibatch=minibatch < validation,
        minibatch_size=min(minibatch, validation),
        minibatch_full_eval_steps=steps,
    )
    if not pool.evaluator.calls:
        raise RuntimeError("MIPROv2 scored nothing: it takes an error for a score of 0")
    code: Code = best.code
    return code


def affordable_trials(max_calls: int, minibatch: int, validation: int, steps: int) -> int:
    """The most trials that the calls pay for: the default program in full, a minibatch each, full evaluations."""

    def cost(trials: int) -> int:
        return validation * (2 + trials // steps) + minibatch * trials

    return max((trials for trials in range(1, max_calls) if cost(trials) <= max_calls), default=1)


_NO_MODEL = "none: answers come from the world"
