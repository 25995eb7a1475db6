"""How often a prompt that is no better is promoted when the judge of the answers errs once in five.

Two prompts answer 100 test rows equally well: an answer is good with chance .6 on average, and some rows are harder
than others. The judge of the program grades each, asked through the real metric by a script that errs in 20 % of its
replies, each time anew: a good answer gets 1 of 5 points and a bad one 5; beside the baseline it names the wrong one,
or one of two equals. The test of the program then compares the prompts.

Run it with ``python -m benchmarks.judge_noise --nights 2000``.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.repeated_inputs import ROWS, is_promoted, upper_bound
from promptrl.llm.base import Completion, Message
from promptrl.stats.gate import Gate
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Score
from promptrl.tasks.metrics.base import MetricContext, Question
from promptrl.tasks.metrics.judge import Judge

ERRS = 0.2
JUDGES = {
    "points": Judge(rubric="fluency"),
    "points, three times": Judge(rubric="fluency", repeats=3),
    "beside the baseline": Judge(rubric="fluency", against="baseline"),
}
_FENCED = re.compile(r"<<<(?:answer|first answer|second answer) (\w+)\n(.*)\n.*answer \1>>>")


def reply(question: Question, rng: np.random.Generator, errs: float = ERRS) -> str:
    """What the judge says of one answer, or of two."""
    is_good = [match[2].startswith("good") for match in _FENCED.finditer(question.messages[1].content)]
    is_wrong = rng.random() < errs
    if len(is_good) == 1:
        return json.dumps({"score": 5 if is_good[0] != is_wrong else 1})
    if is_good[0] == is_good[1]:
        return json.dumps({"better": rng.choice(["first", "second"]) if is_wrong else "equal"})
    return json.dumps({"better": "first" if is_good[0] != is_wrong else "second"})


def judged_scores(
    judge: Judge, rng: np.random.Generator, better: float = 0.0, errs: float = ERRS
) -> npt.NDArray[np.float64]:
    """The judge's scores of baseline and winner: shape (2, rows).

    Args:
        judge: How it is asked.
        rng: Draws answers and errors.
        better: By how much the winner's chance of a good answer is higher.
        errs: How often the judge errs.
    """
    ease = rng.beta(3.0, 2.0, ROWS)
    is_good = [rng.random(ROWS) < ease, rng.random(ROWS) < ease + better]
    answers = [
        [f"{'good' if good else 'bad'} {name}{at}" for at, good in enumerate(of)]
        for name, of in zip("bw", is_good, strict=True)
    ]
    rows = [Example(str(at), {"x": str(at)}, None, {}) for at in range(ROWS)]

    def ask(questions: Sequence[Question]) -> list[Completion]:
        baseline = {at: Completion(answer) for at, answer in enumerate(answers[0])}
        return [baseline[q.position] if q.of_target else Completion(reply(q, rng, errs)) for q in questions]

    context = MetricContext(None, ask, baseline=lambda row: ((Message("user", row.fields["x"]),), {}))
    scorer = judge.metric("judge").open(context)
    given = [
        scorer.score_many([(row, Completion(answer)) for row, answer in zip(rows, of, strict=True)]) for of in answers
    ]
    return np.array([[score.value if isinstance(score, Score) else np.nan for score in of] for of in given])


def promotions(scores: Callable[[], npt.NDArray[np.float64]], nights: int, gate: Gate) -> int:
    """Nights that end with "improved"."""
    return sum(is_promoted(scores(), 1, 0, gate) for _ in range(nights))


def main() -> None:
    """Print the share of promotions of equal prompts, and of one that is better by .2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("judge                gate        equal  99 % bound  better by .2")
    for is_sequential, (name, judge) in product((False, True), JUDGES.items()):
        gate, rng = Gate(is_sequential=is_sequential), np.random.default_rng(arguments.seed)
        equal = promotions(partial(judged_scores, judge, rng), arguments.nights, gate)
        found = promotions(partial(judged_scores, judge, rng, 0.2), arguments.nights // 4, gate)
        share, bound = equal / arguments.nights, upper_bound(equal, arguments.nights)
        course, power = "sequential" if is_sequential else "fixed", found / (arguments.nights // 4)
        print(f"{name:19}  {course:10}  {share:5.1%}  {bound:10.1%}  {power:12.0%}", flush=True)


if __name__ == "__main__":
    main()
