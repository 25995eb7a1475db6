"""Trains the shipped policy on made-up landscapes: ``python -m promptrl.search.planned.pretraining``.

A landscape is a space of slots with random effects on the log odds of success: single effects, sparse pair effects,
sets of options that only work together. The surrogate gets a few to many answers about it, and the agent learns to
edit prompts under draws from that posterior. In every other landscape edits show kinds made up for each slot, so that
the policy does not lean on a kind. Whole families of landscapes are held out; the card written beside the
weights says how the policy does on them, beside the untrained one and beside local search.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from stable_baselines3.common.base_class import BaseAlgorithm

from promptrl.prompts.building import make_slot_space
from promptrl.prompts.space import EditSpace
from promptrl.search.agents.build import build_agent, one_torch_thread
from promptrl.search.agents.policy import Encoder
from promptrl.search.agents.policy_file import save_policy
from promptrl.search.planned.env import ImaginedVecEnv
from promptrl.search.planned.imagined import Choose, Imagination, Starts
from promptrl.search.planned.search import BUILTIN_POLICY, follow
from promptrl.search.surrogate.data import Indices
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.threads import one_blas_thread

N_ENVS = 64
FIRST_RATE = 1e-3
"""Falls to nothing over the landscapes, so that the last of them do not decide."""
LONG_ROLLOUTS = {"n_steps": 16, "batch_size": 256}
"""Whole episodes, as every landscape is new."""
ROWS = 64
BASE_LOGIT = -1.0
CONJUNCTION_BONUS = 2.5
STARTS = 8


@dataclass(frozen=True, slots=True)
class Family:
    """What landscapes are drawn from; pairs of numbers are least and most.

    Attributes:
        slots: Slots of the space.
        options: Options of a slot, the empty one included.
        interaction: Spread of pair effects over spread of single effects.
        harm: Taken off every single effect: options that mostly hurt.
        conjunctions: Sets of options that earn a bonus together.
        way: Options in such a set.
        asks: Answers that the surrogate has.
    """

    slots: tuple[int, int] = (2, 10)
    options: tuple[int, int] = (2, 6)
    interaction: tuple[float, float] = (0.0, 2.0)
    harm: float = 0.0
    conjunctions: int = 0
    way: int = 2
    asks: tuple[int, int] = (0, 800)


TRAINED: dict[str, Family] = {
    "small": Family(slots=(2, 5)),
    "middle": Family(slots=(4, 10)),
    "large": Family(slots=(8, 20), options=(3, 8)),
    "conjunctions of two": Family(conjunctions=4, way=2),
    "conjunctions of three": Family(conjunctions=4, way=3),
}
HELD_OUT: dict[str, Family] = {
    "mostly harmful options": Family(harm=0.7),
    "strong interactions": Family(interaction=(4.0, 8.0)),
    "conjunctions of four": Family(slots=(5, 8), conjunctions=6, way=4),
    "300 edits": Family(slots=(20, 20), options=(15, 15), asks=(300, 2000)),
}


def make_landscape(family: Family, rng: np.random.Generator) -> tuple[Moves, Surrogate]:
    """A landscape of a family, as a surrogate that knows a little or a lot of it."""
    sizes = rng.integers(family.options[0], family.options[1] + 1, rng.integers(family.slots[0], family.slots[1] + 1))
    space = _space(sizes)
    moves = Moves(space)
    surrogate = Surrogate(moves.table, [str(row) for row in range(ROWS)], rng=rng.spawn(1)[0])
    n = moves.n_features
    single = rng.normal(-family.harm, 0.7, n)
    pair = rng.normal(0, 0.7 * rng.uniform(*family.interaction), (n, n)) * (rng.random((n, n)) < 0.2)
    sets = [_conjunction(moves, family.way, rng) for _ in range(family.conjunctions)]
    difficulty = rng.normal(0, 1.0, ROWS)
    for _ in range(int(rng.integers(family.asks[0], family.asks[1] + 1))):
        prompt = space.draw(rng)
        held = moves.features(prompt)
        logit = BASE_LOGIT + single @ held + held @ np.triu(pair, 1) @ held
        logit += sum(CONJUNCTION_BONUS for chosen in sets if held[chosen].all())
        row = int(rng.integers(ROWS))
        surrogate.add(prompt.prompt_id, held, row, float(rng.random() < expit(logit - difficulty[row])))
    surrogate.fit()
    return moves, surrogate


def pretrain(landscapes: int, steps: int, seed: int, policy: Encoder = "deepsets") -> BaseAlgorithm:
    """Train MaskablePPO on one landscape after the other.

    Args:
        landscapes: How many.
        steps: Imagined steps on each.
        seed: Of everything random here.
        policy: How the network lets edits see each other.
    """
    rng = np.random.default_rng(seed)
    model: BaseAlgorithm | None = None
    for number in range(landscapes):
        family = list(TRAINED.values())[number % len(TRAINED)]
        env = _env(*make_landscape(family, rng), rng)
        params = {**LONG_ROLLOUTS, "learning_rate": FIRST_RATE * (1 - number / landscapes)}
        following = build_agent("maskable_ppo", env, policy=policy, params=params, seed=seed + number, is_imagined=True)
        if model is not None:
            following.policy.load_state_dict(model.policy.state_dict())
            following.policy.optimizer.load_state_dict(model.policy.optimizer.state_dict())
        model = following
        model.learn(steps, log_interval=10**9)
        if number % 10 == 9:
            sys.stderr.write(f"{number + 1} of {landscapes} landscapes\n")
    if model is None:
        raise ValueError("at least one landscape is needed")
    return model


def compare(policies: Mapping[str, BaseAlgorithm | None], family: Family, n: int, seed: int) -> dict[str, list[float]]:
    """Share of the best gain that single rollouts from the baseline reach under one draw each of n landscapes.

    The best is what local search finds from the baseline and many random starts, or the policy itself if that is more.

    Args:
        policies: By name; None = local search.
        family: Of the landscapes.
        n: How many landscapes, the same for every policy.
        seed: Of them.

    Returns:
        One share per landscape by name.
    """
    shares: dict[str, list[float]] = {name: [] for name in policies}
    for number in range(n):
        moves, surrogate = make_landscape(family, np.random.default_rng([seed, number]))
        for name, policy in policies.items():
            rng = np.random.default_rng([seed, number, 1])
            choose = follow(_in_space(policy, moves, surrogate)) if policy else None
            shares[name].append(_share(choose, moves, surrogate, rng))
    return shares


def _in_space(model: BaseAlgorithm, moves: Moves, surrogate: Surrogate) -> BaseAlgorithm:
    """The same policy for another edit space."""
    env = _env(moves, surrogate, np.random.default_rng(0))
    other = build_agent("maskable_ppo", env, is_imagined=True)
    other.policy.load_state_dict(model.policy.state_dict())
    return other


def _share(choose: Choose | None, moves: Moves, surrogate: Surrogate, rng: np.random.Generator) -> float:
    imagination = Imagination(moves, surrogate, rng.spawn(1)[0])
    imagination.update_posterior(surrogate, 1, rng, 1.0)
    baseline = moves.space.baseline
    first = np.zeros(1, dtype=np.intp)
    reached = imagination.roll_out(choose, [baseline], first)[0].value
    starts = [baseline, *(moves.space.draw(rng) for _ in range(4 * STARTS))]
    local = imagination.roll_out(None, starts, np.zeros(len(starts), dtype=np.intp))
    start = float(imagination.value(imagination.begin(moves.features(baseline)[None], first))[0])
    best = max(reached, *(result.value for result in local))
    return (reached - start) / (best - start) if best > start else 1.0


def _env(moves: Moves, surrogate: Surrogate, rng: np.random.Generator) -> ImaginedVecEnv:
    imagination = Imagination(moves, surrogate, rng.spawn(1)[0], kinds=_kinds(moves.space, rng))
    imagination.update_posterior(surrogate, N_ENVS, rng, float(rng.random()))
    others = np.stack([moves.features(moves.space.draw(rng)) for _ in range(STARTS)])
    return ImaginedVecEnv(imagination, Starts(moves.features(moves.space.baseline), others), N_ENVS)


def _kinds(space: EditSpace, rng: np.random.Generator) -> list[str]:
    """Kinds to show: those of the edits, or in every other landscape one for each slot that means nothing."""
    if rng.random() < 0.5:
        return [edit.kind for edit in space.edits]
    numbers = {slot: int(rng.integers(2**31)) for slot in space.slot_order}
    return [f"kind {numbers[edit.slot]}" for edit in space.edits]


def _space(sizes: Indices) -> EditSpace:
    slots = {f"slot{i}": ["", *(f"{i}-{j}" for j in range(1, size))] for i, size in enumerate(sizes)}
    return make_slot_space(slots, "{input}")


def _conjunction(moves: Moves, way: int, rng: np.random.Generator) -> Indices:
    """Features of different slots."""
    slots = rng.choice(moves.n_slots, min(way, moves.n_slots), replace=False)
    return np.array([rng.choice(np.flatnonzero(moves.table.slot_of == slot)[1:]) for slot in slots], dtype=np.intp)


def main() -> None:
    """Train, measure, write weights and card."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--landscapes", type=int, default=160)
    parser.add_argument("--steps", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", type=int, default=30, help="landscapes of each family to measure on")
    parser.add_argument("--out", type=Path, default=BUILTIN_POLICY)
    arguments = parser.parse_args()
    with one_torch_thread(), one_blas_thread():
        rng = np.random.default_rng(arguments.seed)
        untrained = build_agent("maskable_ppo", _env(*make_landscape(TRAINED["middle"], rng), rng), is_imagined=True)
        trained = pretrain(arguments.landscapes, arguments.steps, arguments.seed)
        save_policy(trained, arguments.out)
        card: dict[str, Any] = {"landscapes": arguments.landscapes, "steps": arguments.steps, "seed": arguments.seed}
        arms = {"trained": trained, "untrained": untrained, "local search": None}
        for title, families in (("families trained on", TRAINED), ("families held out", HELD_OUT)):
            card[title] = {name: _measure(arms, family, arguments) for name, family in families.items()}
    save_policy(trained, arguments.out, card)
    sys.stdout.write(json.dumps(card, indent=2) + "\n")


def _measure(arms: dict[str, BaseAlgorithm | None], family: Family, arguments: argparse.Namespace) -> dict[str, Any]:
    shares = compare(arms, family, arguments.check, arguments.seed + 1_000_000)
    means = {name: round(float(np.mean(values)), 4) for name, values in shares.items()}
    gap = np.subtract(shares["trained"], shares["local search"])
    error = float(gap.std(ddof=1) / np.sqrt(len(gap)))
    return means | {"trained - local search": f"{gap.mean():+.4f} ± {error:.4f}"}


if __name__ == "__main__":
    main()
