"""How often two equal prompts are told apart when inputs come again, or answers are missing where it helps most.

Every night two prompts without any difference are compared on 100 test rows, by the test of the program itself. Inputs
come 1, 2, 5 or 10 times, and a prompt answers an input alike each time (temperature 0). Of the winner's answers none or
five are kept back: those on which it did worst beside the baseline.

Run it with ``python -m benchmarks.repeated_inputs --nights 2000``.
"""

import argparse
from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.table_evaluator import TableEvaluator
from promptrl.evaluation.outcome import Ask, Outcome
from promptrl.experiment.proof_stage import compare_prompts
from promptrl.llm.base import Purpose
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.runs.result import decide_verdict
from promptrl.stats.gate import Gate
from promptrl.tasks.dataset import Example

ROWS = 100
PROMPTS = {name: Prompt((("task", name),), (), UserTemplate("{x}")) for name in ("baseline", "winner")}


class LossyEvaluator(TableEvaluator):
    """Answers from a table, where some of one prompt's answers never come.

    Args:
        scores: Of baseline and winner, shape (2, rows).
        lost: Rows that the winner never answers.
    """

    def __init__(self, scores: npt.NDArray[np.float64], lost: frozenset[int]) -> None:
        ids = [prompt.prompt_id for prompt in PROMPTS.values()]
        super().__init__(lambda asks: scores[[ids.index(p.prompt_id) for p, _ in asks], [int(r.id) for _, r in asks]])
        self._lost = lost

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """As ``TableEvaluator``, without what is lost."""
        found = super().evaluate(asks, purpose, repeat, uniform)
        is_lost = (p.prompt_id == PROMPTS["winner"].prompt_id and int(row.id) in self._lost for p, row in asks)
        return [None if gone else outcome for gone, outcome in zip(is_lost, found, strict=True)]


def equal_scores(times: int, *, is_graded: bool, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Scores of two equal prompts on rows whose inputs come so many times: shape (2, rows)."""
    shape = (2, ROWS // times)
    scores = rng.beta(2.0, 1.0, shape).round(2) if is_graded else (rng.random(shape) < 0.5).astype(np.float64)
    return np.repeat(scores, times, axis=1)


def is_promoted(scores: npt.NDArray[np.float64], times: int, missing: int, gate: Gate) -> bool:
    """Whether a night ends with "improved"."""
    rows = [Example(str(i), {"x": str(i // times)}, None, {}) for i in range(ROWS)]
    worst = np.argsort(scores[1] - scores[0], kind="stable")[:missing]
    evaluator = LossyEvaluator(scores, frozenset(map(int, worst)))
    paired = compare_prompts(evaluator, PROMPTS, rows, "test", gate, look_rows=8)
    return decide_verdict(paired.comparison, gate, is_same_prompt=False) == "improved"


def upper_bound(promoted: int, nights: int) -> float:
    """One-sided 99 % bound of a share (Clopper & Pearson 1934)."""
    return float(stats.beta.ppf(0.99, promoted + 1, nights - promoted)) if promoted < nights else 1.0


def main() -> None:
    """Print the share of false promotions of each kind of night."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("missing  inputs seen  scores  gate        improved  99 % bound")
    for missing, times, is_graded, is_sequential in product((0, 5), (1, 2, 5, 10), (False, True), (False, True)):
        rng = np.random.default_rng(arguments.seed)
        gate = Gate(is_sequential=is_sequential)
        promoted = sum(
            is_promoted(equal_scores(times, is_graded=is_graded, rng=rng), times, missing, gate)
            for _ in range(arguments.nights)
        )
        kind, course = "graded" if is_graded else "0/1", "sequential" if is_sequential else "fixed"
        share, bound = promoted / arguments.nights, upper_bound(promoted, arguments.nights)
        print(f"{missing:7}  {times:11}  {kind:6}  {course:10}  {share:8.1%}  {bound:10.1%}", flush=True)


if __name__ == "__main__":
    main()
