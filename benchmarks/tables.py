"""What every prompt of a config's edit space scores: is the landscape worth searching?

``python -m benchmarks.tables configs/arithmetic.yaml [--rows 60] [--sample 300] [--model FOLDER]
[--out table.npz] [--table table.npz]``: asks a local target every prompt (or the baseline, its neighbours and a random
sample) on the same rows, keeps the scores as npz, and prints how rare good prompts are, what random search finds, what
single edits do and which good prompts can be reached by edits that never lose. ``--table`` prints a table kept before.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptrl.config import load_config
from promptrl.experiment.build import Components, build_components
from promptrl.llm.base import Completion
from promptrl.llm.targets.local import LocalTarget
from promptrl.prompts.prompt import Prompt
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, Question, Score, Scorer

GOOD = 0.9
"""A prompt is good when it has this share of the best gain over the baseline."""
IN_FLIGHT = 256
SLACK = 0.011
"""A step whose score falls by less does not lose: about one row of a hundred."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Scores of prompts on rows.

    Attributes:
        prompts: The baseline first.
        scores: By column ("objective" and each metric), shape (prompts, rows).
    """

    prompts: tuple[Prompt, ...]
    scores: dict[str, Scores]


def choose_prompts(parts: Components, sample: int | None) -> tuple[Prompt, ...]:
    """All prompts, or the baseline, its neighbours and a random sample."""
    prompts = list(parts.space.enumerate())
    if sample is None or sample >= len(prompts):
        return tuple(prompts)
    rng = np.random.default_rng(0)
    drawn = [prompts[i] for i in rng.choice(len(prompts), sample, replace=False)]
    return tuple(dict.fromkeys([parts.space.baseline, *neighbours(parts, parts.space.baseline).values(), *drawn]))


def neighbours(parts: Components, prompt: Prompt) -> dict[str, Prompt]:
    """What one edit makes of a prompt, by the edit's label."""
    space = parts.space
    return {space.edits[a].label: space.apply(prompt, int(a)) for a in np.flatnonzero(space.mask(prompt)[:-1])}


def choose_rows(parts: Components, n: int) -> tuple[Example, ...]:
    """The first rows of a shuffle of all that are scored in a run."""
    rows = (*parts.splits.train, *parts.splits.validation, *parts.splits.test)
    order = np.random.default_rng(1).permutation(len(rows))
    return tuple(rows[i] for i in order[:n])


def ask(parts: Components, model: str, prompts: Sequence[Prompt], rows: Sequence[Example]) -> Table:
    """Ask every prompt on every row."""
    names = ["objective", *(metric.name for metric in parts.metrics)]
    scores = {name: np.zeros((len(prompts), len(rows))) for name in names}
    params = parts.loaded.target.request_params
    scorers = open_scorers(parts)

    async def ask_all() -> None:
        target = LocalTarget(model)
        room = asyncio.Semaphore(IN_FLIGHT)
        started = time.perf_counter()

        async def ask_one(p: int, r: int) -> None:
            completion = await target.complete(prompts[p].render(rows[r].fields), params)
            room.release()
            record(p, r, completion)

        async with asyncio.TaskGroup() as group:
            for p in range(len(prompts)):
                for r in range(len(rows)):
                    await room.acquire()
                    group.create_task(ask_one(p, r))
                if p % 100 == 99:
                    rate = (p + 1) * len(rows) / (time.perf_counter() - started)
                    print(f"  {p + 1} of {len(prompts)} prompts, {rate:.0f} completions/s", flush=True)
        await target.aclose()

    def record(p: int, r: int, completion: Completion) -> None:
        for name, value in grade(parts, scorers, rows[r], completion).items():
            scores[name][p, r] = value

    asyncio.run(ask_all())
    return Table(tuple(prompts), scores)


def open_scorers(parts: Components) -> dict[str, Scorer]:
    """The metrics of a task by name, ready to score."""
    context = MetricContext(parts.code_folder, ask=refuse)
    return {metric.name: metric.open(context) for metric in parts.metrics}


def grade(parts: Components, scorers: Mapping[str, Scorer], row: Example, completion: Completion) -> dict[str, float]:
    """What an answer scores by each metric that can tell, and its "objective"."""
    graded = {name: scorer.score_many([(row, completion)])[0] for name, scorer in scorers.items()}
    values = {name: score.value for name, score in graded.items() if isinstance(score, Score)}
    return {**values, "objective": parts.objective.value(values, completion)}


def refuse(questions: Sequence[Question]) -> Sequence[Completion]:
    """For metrics that ask a model: there is one for the prompts only."""
    raise SystemExit("a table can't be made with a metric that asks a model")


def save(table: Table, path: Path) -> None:
    """Keep the scores and which prompt each line is."""
    ids = np.array([prompt.prompt_id for prompt in table.prompts])
    columns: dict[str, Any] = {name: values.astype(np.float16) for name, values in table.scores.items()}
    np.savez_compressed(path, ids=ids, **columns)


def load(path: Path, parts: Components) -> Table:
    """Read a table back; prompts that the space no longer has are left out."""
    by_id = {prompt.prompt_id: prompt for prompt in parts.space.enumerate()}
    with np.load(path) as kept:
        present = [i for i, prompt_id in enumerate(kept["ids"]) if str(prompt_id) in by_id]
        prompts = tuple(by_id[str(kept["ids"][i])] for i in present)
        scores = {name: kept[name][present].astype(np.float64) for name in kept.files if name != "ids"}
    return Table(prompts, scores)


def random_search(scores: Scores, baseline: float, gain: float, n_prompts: int = 20, n_rows: int = 10) -> float:
    """Median share of the best gain that the best of 20 random prompts by 10 rows has on the full table."""
    means, rng, shares = scores.mean(1), np.random.default_rng(0), []
    for _ in range(100):
        drawn = rng.choice(len(scores), min(n_prompts, len(scores)), replace=False)
        seen = [
            scores[i, rng.choice(scores.shape[1], min(n_rows, scores.shape[1]), replace=False)].mean() for i in drawn
        ]
        shares.append((means[drawn[int(np.argmax(seen))]] - baseline) / gain)
    return float(np.median(shares))


def reachable(parts: Components, table: Table, means: Scores) -> set[int]:
    """Lines of the table that single edits lead to from the baseline, none of which loses."""
    line_of = {prompt.prompt_id: i for i, prompt in enumerate(table.prompts)}
    seen, frontier = {0}, [0]
    while frontier:
        line = frontier.pop()
        for neighbour in neighbours(parts, table.prompts[line]).values():
            other = line_of.get(neighbour.prompt_id)
            if other is not None and other not in seen and means[other] >= means[line] - SLACK:
                seen.add(other)
                frontier.append(other)
    return seen


def climb(parts: Components, table: Table, means: Scores) -> Iterator[str]:
    """The steepest ascent from the baseline, a line for each step."""
    line_of = {prompt.prompt_id: i for i, prompt in enumerate(table.prompts)}
    line = 0
    while True:
        found = {label: line_of.get(p.prompt_id) for label, p in neighbours(parts, table.prompts[line]).items()}
        label, best = max(((k, i) for k, i in found.items() if i is not None), key=lambda pair: means[pair[1]])
        if means[best] <= means[line]:
            return
        yield f"{means[best]:.3f}  {label}"
        line = best


def interactions(parts: Components, table: Table, means: Scores, best: int) -> Iterator[str]:
    """Edits that help the baseline and hurt the best prompt, and parts of the best prompt that hurt the baseline."""
    line_of = {prompt.prompt_id: i for i, prompt in enumerate(table.prompts)}
    at_best = neighbours(parts, table.prompts[best])
    in_best = {parts.space.edits[i].label for i in parts.space.edits_of(table.prompts[best])}
    for label, prompt in neighbours(parts, table.prompts[0]).items():
        alone = means[line_of[prompt.prompt_id]] - means[0]
        if label in in_best and alone < -0.03:
            yield f"hurts alone {alone:+.2f}, is part of the best: {label}"
        elif label in at_best and alone > 0.03:
            together = means[line_of[at_best[label].prompt_id]] - means[best]
            if together < -0.1:
                yield f"helps alone {alone:+.2f}, hurts the best {together:+.2f}: {label}"


def report(parts: Components, table: Table, column: str, show: Callable[[str], None]) -> None:
    """Print the statistics of one column."""
    scores = table.scores[column]
    means = scores.mean(1)
    best, baseline = int(np.argmax(means)), float(means[0])
    gain = float(means[best]) - baseline
    size = parts.space.size()
    near = {table.prompts[0], *neighbours(parts, table.prompts[0]).values()} if size != len(means) else set()
    drawn = np.array([i for i, prompt in enumerate(table.prompts) if prompt not in near])
    good = drawn[means[drawn] >= baseline + GOOD * gain]
    show(f"== {column}: {len(means)} of {size} prompts on {scores.shape[1]} rows")
    show(f"baseline {baseline:.3f}, best {means[best]:.3f}, mean {means[drawn].mean():.3f}")
    show(f"within 90 % of the best gain: {100 * len(good) / len(drawn):.2f} % ({len(good)} prompts)")
    show(f"better than the baseline: {np.mean(means[drawn] > baseline):.0%}")
    show(f"random search, 20 prompts x 10 rows: {random_search(scores[drawn], baseline, gain):.2f} of the best gain")
    if size == len(means):
        paths = reachable(parts, table, means)
        show(f"good prompts reachable without a loss: {np.mean([i in paths for i in good]):.0%}")
        show("steepest ascent: " + "; ".join(climb(parts, table, means)))
        for line in interactions(parts, table, means, best):
            show(line)
    show(f"best: {table.prompts[best].system_text!r} + {len(table.prompts[best].demonstrations)} demonstrations")
    line_of = {prompt.prompt_id: i for i, prompt in enumerate(table.prompts)}
    for label, prompt in neighbours(parts, table.prompts[0]).items():
        if prompt.prompt_id in line_of:
            show(f"  {means[line_of[prompt.prompt_id]] - baseline:+.3f}  {label}")


def main() -> None:
    """Ask or load, keep, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--sample", type=int, default=None)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--table", type=Path, default=None)
    arguments = parser.parse_args()
    parts = build_components(load_config(arguments.config))
    if arguments.table:
        table = load(arguments.table, parts)
    else:
        prompts, rows = choose_prompts(parts, arguments.sample), choose_rows(parts, arguments.rows)
        table = ask(parts, arguments.model, prompts, rows)
    if arguments.out:
        save(table, arguments.out)
    for column in table.scores:
        report(parts, table, column, print)


if __name__ == "__main__":
    main()
