"""How far can the surrogate's own intervals be trusted, also where choices are made?

``python -m benchmarks.calibration --worlds 1e4 arithmetic sentiment --calls 300 1200 --seeds 20``: after a search
in the surrogate (asks chosen by its own draws, ``thompson``), the share of prompts whose true score lies in its central
90 % interval: among prompts drawn uniformly, among the top 2 % of those by posterior mean, and among the eight
candidates that would go to the finals. Beside it how far the mean is off there (believed minus true, in points): a
pooled figure hides failure exactly where the best are picked. Intervals are the mean ± 1.645 standard deviations.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.catalogue import make_world
from benchmarks.worlds import World
from promptrl.prompts.prompt import Prompt
from promptrl.search.context import SearchContext
from promptrl.search.planned.local_search import spend
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.threads import one_blas_thread
from promptrl.search.trials import Trials
from promptrl.selection.finalists import MAX_FINALISTS

HALF_WIDTH = 1.6449
"""Standard deviations on either side of the mean: a normal's central 90 %."""
DRAWN = 1000
TOP_SHARE = 0.02
GROUPS = ("uniform", "top 2 %", "finalists")


@dataclass(frozen=True, slots=True)
class Check:
    """Prompts of one group after one search.

    Attributes:
        covered: Share whose true score lies in the interval.
        bias: Mean of believed minus true score.
    """

    covered: float
    bias: float


@one_blas_thread()
def search(world: World, calls: int, seed: int) -> Planner:
    """A finished search that spent all its calls on train rows."""
    trials = Trials(SearchContext(world.space, world.train, world.evaluator(calls)))
    planner = Planner(trials, PlanningRules(), None, np.random.default_rng(seed))
    spend(planner)
    return planner


def check(planner: Planner, world: World, seed: int) -> dict[str, Check]:
    """Compare what the planner believes with the truth, by group."""
    rng = np.random.default_rng(seed)
    drawn = list(dict.fromkeys(world.space.draw(rng) for _ in range(DRAWN)))
    finalists = [candidate.prompt for candidate in planner.conclude(None)[:MAX_FINALISTS]]
    means, _ = _beliefs(planner, drawn)
    top = [drawn[i] for i in np.argsort(-means)[: max(1, int(TOP_SHARE * len(drawn)))]]
    return {
        name: _check(planner, world, prompts) for name, prompts in zip(GROUPS, (drawn, top, finalists), strict=True)
    }


def _beliefs(planner: Planner, prompts: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray]:
    features = np.stack([planner.moves.features(prompt) for prompt in prompts])
    return planner.surrogate.moments(features, [prompt.prompt_id for prompt in prompts])


def _check(planner: Planner, world: World, prompts: Sequence[Prompt]) -> Check:
    means, sds = _beliefs(planner, prompts)
    truth = np.array([world.answers.overall_score(prompt) for prompt in prompts])
    return Check(float(np.mean(np.abs(truth - means) <= HALF_WIDTH * sds)), float(np.mean(means - truth)))


def table(kinds: Sequence[str], budgets: Sequence[int], seeds: Sequence[int]) -> Iterator[str]:
    """The table, line by line as it comes."""
    yield "share of true scores in the 90 % interval (believed - true, points)"
    yield f"{'':24}" + "".join(f"{name:>18}" for name in GROUPS)
    for kind in kinds:
        for calls in budgets:
            worlds = [make_world(kind, seed) for seed in seeds]
            checks = [check(search(w, calls, s), w, s) for w, s in zip(worlds, seeds, strict=True)]
            yield f"{kind + f' at {calls}':24}" + "".join(f"{_cell([c[name] for c in checks]):>18}" for name in GROUPS)


def _cell(checks: Sequence[Check]) -> str:
    covered, bias = np.mean([c.covered for c in checks]), np.mean([c.bias for c in checks])
    return f"{covered:.2f} ({100 * bias:+.1f})"


def main() -> None:
    """Search, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=["1e4", "arithmetic", "sentiment"])
    parser.add_argument("--calls", nargs="+", type=int, default=[300, 1200])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for line in table(arguments.worlds, arguments.calls, seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
