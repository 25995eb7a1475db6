"""A surrogate whose prompts can hold more: nothing learned is lost, and new features are as if never asked about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from promptrl.search.surrogate.data import Bools, Indices
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.pairs import MOST_AFTER_GROWTH
from promptrl.search.surrogate.state import SurrogateRules
from promptrl.search.surrogate.variances import Link
from tests.search.surrogate.factorial import ROW_IDS, ROWS, SLOT_OF, everything, landscape, surrogate, table, taught
from tests.search.surrogate.test_state import said

NOTHING_NEW = np.zeros(12, dtype=bool)


def larger() -> tuple[FeatureTable, Indices]:
    """Two options more in the second slot and one in the last, and where the present ones stand."""
    slot_of = np.sort(np.append(SLOT_OF, [1, 1, 3]))
    places = np.concatenate([np.flatnonzero(slot_of == slot)[:3] for slot in range(4)])
    texts = [f"option new {f}" for f in range(15)]
    for f, place in enumerate(places):
        texts[place] = f"option {f}"
    return table(tuple(texts), slot_of), places


def moved(prompts: Bools, places: Indices, n: int) -> Bools:
    """The same prompts among more features."""
    held = np.zeros((len(prompts), n), dtype=bool)
    held[:, places] = prompts
    return held


def test_extending_by_nothing_changes_no_digit() -> None:
    """Neither what it says nor what it learns afterwards."""
    model = taught(surrogate(), landscape(np.random.default_rng(0)), 130, np.random.default_rng(1))
    same = model.extended(table(tuple(f"option {i}" for i in range(12)), SLOT_OF), np.arange(12), NOTHING_NEW)
    assert said(same) == said(model)
    for each in (model, same):
        taught(each, landscape(np.random.default_rng(0)), 150, np.random.default_rng(5))
    assert said(same) == said(model)


@pytest.mark.parametrize("link", ["logit", "identity"])
@pytest.mark.parametrize("options", [{}, {"with_triples": False}])
def test_extending_is_like_having_had_the_features_all_along(link: Link, options: dict[str, Any]) -> None:
    """With the same random parities and answers, all prompts of the larger space are believed worth the same."""
    small = taught(surrogate(link=link, **options), landscape(np.random.default_rng(0)), 130, np.random.default_rng(1))
    features, places = larger()
    grown = small.extended(features, places, np.zeros(15, dtype=bool))
    fresh = Surrogate(
        features, ROW_IDS, rng=np.random.default_rng(0), rules=SurrogateRules(link=link, **options)
    ).state()
    fresh = replace(fresh, parities=grown.parities, variances=small.variances, tune_at=small.state().tune_at)
    always = Surrogate.from_state(fresh)
    listed = small.state().answers
    for prompt, row, objective in zip(listed.prompt, listed.row, listed.objective, strict=True):
        held = moved(listed.features[prompt][None], places, 15)[0]
        always.add(listed.prompt_ids[prompt], held, int(row), float(objective))
    for model in (grown, always):
        for _ in range(4):
            model.fit()
    rng = np.random.default_rng(2)
    prompts = np.zeros((200, 15), dtype=bool)
    for slot in range(4):
        prompts[np.arange(200), rng.choice(np.flatnonzero(features.slot_of == slot), 200)] = True
    for found, expected in zip(grown.moments(prompts), always.moments(prompts), strict=True):
        assert np.allclose(found, expected, atol=1e-6)
    assert np.array_equal(grown.pairs, always.pairs)


def test_what_was_learned_stays() -> None:
    """Right after the extension the old prompts are believed worth what they were, variances and signs are the same."""
    small = taught(surrogate(), landscape(np.random.default_rng(0)), 300, np.random.default_rng(1))
    features, places = larger()
    grown = small.extended(features, places, np.zeros(15, dtype=bool))
    prompts, ids = everything(), [str(p) for p in range(81)]
    for found, expected in zip(
        grown.moments(moved(prompts, places, 15), ids), small.moments(prompts, ids), strict=True
    ):
        assert np.allclose(found, expected, atol=0.02)
    assert grown.variances == small.variances
    assert np.array_equal(grown.parities.values(moved(prompts, places, 15)), small.parities.values(prompts))
    assert said(small) == said(Surrogate.from_state(small.state()))


def test_a_new_option_starts_near_its_like() -> None:
    """One worded as a good one is expected to be better than one worded otherwise, and is surer than without."""
    texts = ("Think step by step.", "Say nothing.")
    model = Surrogate(table(texts, [0, 0]), ROW_IDS[:20], rng=np.random.default_rng(0))
    for row in range(20):
        model.add("good", np.array([True, False]), row, 1.0)
        model.add("bad", np.array([False, True]), row, 0.0)
    model.fit()
    features = table((*texts, "Think step by step!", "Be polite to users."), [0, 0, 0, 0])
    grown = model.extended(features, np.arange(2), np.zeros(4, dtype=bool))
    effects, spread = grown.posterior_mean().effects[0], np.diag(grown.covariance())
    assert effects[2] > effects[3]
    assert spread[2] < spread[3]


def test_prompts_asked_before_hold_what_all_of_them_held() -> None:
    """The text of a slot that had no alternative is a feature once it has one; all answers were with it."""
    model = Surrogate(table(("a", "b"), [0, 0]), ROW_IDS[:20], rng=np.random.default_rng(0))
    for row in range(20):
        model.add("a", np.array([True, False]), row, 1.0)
    features = table(("a", "b", "always", "never"), [0, 0, 1, 1])
    grown = model.extended(features, np.arange(2), np.array([True, False, True, False]))
    assert grown.state().answers.features.tolist() == [[True, False, True, False]]
    effects = grown.posterior_mean().effects[0]
    assert effects[2] > 0.1 > abs(effects[3])


def test_pairs_do_not_add_up_over_growths() -> None:
    """Ten growths of forty features each: the cost of an update stays bounded, and what was learned counts on."""
    model = Surrogate(
        table(tuple(f"o{f}" for f in range(40)), np.arange(40) % 20), ROW_IDS, rng=np.random.default_rng(0)
    )
    for n in range(80, 440, 40):
        features = table(tuple(f"o{f}" for f in range(n)), np.arange(n) % 20)
        model = model.extended(features, np.arange(n - 40), np.zeros(n, dtype=bool))
        model.fit()
        assert len(model.pairs) <= MOST_AFTER_GROWTH


def test_triples_appear_with_the_third_slot() -> None:
    """Two slots have none; with a third there are some, and their variance is what it typically is."""
    small = Surrogate(table(("a", "b", "c", "d"), [0, 0, 1, 1]), ROW_IDS[:20], rng=np.random.default_rng(0))
    assert small.variances.triples == 0
    assert len(small.parities) == 0
    features = table(tuple("abcdef"), np.repeat([0, 1, 2], 2))
    grown = small.extended(features, np.arange(4), np.zeros(6, dtype=bool))
    fresh = Surrogate(features, ROW_IDS[:20], rng=np.random.default_rng(0))
    assert len(grown.parities) == len(fresh.parities)
    assert grown.variances == fresh.variances


def test_a_grown_surrogate_learns_the_new_options() -> None:
    """After answers on them, its error in the larger space is as small as that of one that knew them all along."""
    features, places = larger()
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 1.0, 15)
    prompts = np.zeros((400, 15), dtype=bool)
    for slot in range(4):
        prompts[np.arange(400), rng.choice(np.flatnonzero(features.slot_of == slot), 400)] = True
    worth = expit(prompts @ effects - 0.5)
    is_old = ~prompts[:, np.setdiff1d(np.arange(15), places)].any(axis=1)
    first = [(p, p % ROWS) for p in np.flatnonzero(is_old).tolist()]
    then = [(p, (p + 7) % ROWS) for p in range(400)]

    def add(model: Surrogate, asks: list[tuple[int, int]], only: Indices) -> None:
        for p, row in asks:
            chance = np.random.default_rng((p, row)).random()
            model.add(str(p), prompts[p, only], row, float(chance < worth[p]))
        model.fit()

    grown = surrogate()
    add(grown, first, places)
    grown = grown.extended(features, places, np.zeros(15, dtype=bool))
    always = Surrogate(features, ROW_IDS, rng=np.random.default_rng(0))
    add(always, first, np.arange(15))
    for model in (grown, always):
        add(model, then, np.arange(15))
    errors = [float(np.abs(model.mean(prompts) - worth).mean()) for model in (grown, always)]
    assert errors[0] < 0.09
    assert errors[0] == pytest.approx(errors[1], abs=0.01)
