"""Training the built-in policy, in small."""

import json

import numpy as np
import torch

from promptrl.search.planned.pretraining import HELD_OUT, TRAINED, Family, compare, make_landscape, pretrain
from promptrl.search.planned.search import BUILTIN_POLICY

SMALL = Family(slots=(3, 3), options=(3, 3), asks=(40, 40))


def test_landscapes_of_a_family_keep_its_sizes() -> None:
    """Slots and options lie within the family's bounds; equal seeds give equal posteriors."""
    family = TRAINED["middle"]
    first, again = (make_landscape(family, np.random.default_rng(3)) for _ in range(2))
    moves, surrogate = first
    assert family.slots[0] <= moves.n_slots <= family.slots[1]
    assert family.slots[0] * family.options[0] <= moves.n_features <= family.slots[1] * family.options[1]
    assert np.array_equal(surrogate.posterior_mean().effects, again[1].posterior_mean().effects)


def test_no_family_is_both_trained_on_and_held_out() -> None:
    """What is held out is another kind, not another seed."""
    assert not set(TRAINED.values()) & set(HELD_OUT.values())


def test_pretraining_changes_the_policy_and_moves_between_landscapes() -> None:
    """Weights differ after each landscape, though the landscapes differ in size, and the policy still gains."""
    one, two = (pretrain(landscapes=n, steps=1024, seed=0) for n in (1, 2))
    weights = [model.policy.state_dict()["mlp_extractor.embed.0.weight"] for model in (one, two)]
    assert not torch.equal(*weights)
    shares = compare({"trained": two, "local search": None}, SMALL, 6, seed=1)
    assert [len(values) for values in shares.values()] == [6, 6]
    assert np.mean(shares["trained"]) > 0.5
    assert max(map(max, shares.values())) <= 1


def test_the_builtin_policy_says_how_it_was_trained() -> None:
    """A card with every family lies beside the weights."""
    card = json.loads(BUILTIN_POLICY.with_suffix(".json").read_text())
    assert set(card["families held out"]) == set(HELD_OUT)
    assert set(card["families trained on"]) == set(TRAINED)
