"""What the surrogate learns, and how sure it may be."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.variances import Link, Variances
from tests.search.surrogate.factorial import ROW_IDS, ROWS, everything, landscape, surrogate, table, taught


@pytest.mark.parametrize("link", ["logit", "identity"])
def test_more_answers_bring_the_mean_closer_to_the_truth(link: Link) -> None:
    """The error falls from nothing over 100 to 1,500 answers."""
    rng = np.random.default_rng(0)
    logits = landscape(rng)
    errors = [
        np.abs(taught(surrogate(link=link), logits, n, np.random.default_rng(1)).mean(everything()) - expit(logits))
        for n in (0, 100, 1500)
    ]
    means = [float(error.mean()) for error in errors]
    assert means[0] > means[1] > means[2]
    assert means[2] < 0.09


def test_pair_effects_are_learned() -> None:
    """A bonus for two options together is seen with pairs and missed without pairs and triples."""
    x = everything()
    logits = np.asarray(-2.0 + 4.0 * (x[:, 1] & x[:, 4]), dtype=np.float64)
    rng = np.random.default_rng
    both, neither = x[:, 1] & x[:, 4], ~x[:, 1] & ~x[:, 4]
    gaps = [
        float(
            (m := taught(surrogate(with_pairs=pairs, with_triples=False), logits, 600, rng(2)).mean(x))[both].mean()
            - m[neither].mean()
        )
        for pairs in (True, False)
    ]
    truth = expit(2.0) - expit(-2.0)
    assert abs(gaps[0] - truth) < 0.1
    assert gaps[0] > gaps[1] + 0.05


def test_effects_of_three_options_together_are_learned() -> None:
    """Where triples of options have effects of their own, knowing so brings the mean closer to the truth."""
    x = everything()
    option = x.reshape(-1, 4, 3).argmax(axis=2)
    errors = {True: 0.0, False: 0.0}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        triples = [rng.normal(0, 1.0, (3, 3, 3))[tuple(option[:, slots].T)] for slots in combinations(range(4), 3)]
        logits = np.sum(triples, axis=0)
        for with_triples in errors:
            model = taught(surrogate(with_triples=with_triples), logits, 1500, np.random.default_rng(seed))
            errors[with_triples] += float(np.abs(model.mean(x) - expit(logits)).mean())
    assert errors[True] < 0.85 * errors[False]


def test_row_difficulty_is_taken_out() -> None:
    """With easy and hard rows, knowing about rows brings the mean closer to the truth, over eight landscapes."""
    difficulty = np.where(np.arange(ROWS) < ROWS // 2, -4.0, 4.0)
    errors = {True: 0.0, False: 0.0}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        logits = landscape(rng)
        truth = expit(logits[:, None] - difficulty).mean(1)
        for with_rows in errors:
            model = taught(surrogate(with_rows=with_rows), logits, 400, np.random.default_rng(seed), ROWS, difficulty)
            errors[with_rows] += float(np.abs(model.mean(everything()) - truth).mean())
    assert errors[True] < 0.9 * errors[False]


def test_intervals_cover_uniform_prompts() -> None:
    """90 % intervals hold the truth in 80 to 99 % of all prompts, over ten landscapes."""
    covered = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        logits = landscape(rng)
        model = taught(surrogate(), logits, 300, rng)
        error = np.abs(model.mean(everything()) - expit(logits))
        covered.append(float(np.mean(error < 1.645 * model.moments(everything())[1])))
    assert 0.8 < np.mean(covered) < 0.99


def test_draws_spread_as_the_posterior_does() -> None:
    """Their mean and variance are those of single effects; exploration_scale 0 is the mean itself."""
    rng = np.random.default_rng(4)
    model = taught(surrogate(), landscape(rng), 200, rng)
    draws = model.draw(4000, rng).effects[:, :-1]
    assert np.allclose(draws.mean(0), model.posterior_mean().effects[0, :-1], atol=0.1)
    assert np.allclose(draws.var(0), np.diag(model.covariance()), rtol=0.15)
    assert np.allclose(model.draw(3, rng, exploration_scale=0.0).effects, model.posterior_mean().effects)


def test_own_answers_pull_a_prompt() -> None:
    """A prompt that always fails is believed worse than its parts say, and surer."""
    rng = np.random.default_rng(5)
    model = taught(surrogate(), np.full(81, 2.0), 300, rng)
    prompt = everything()[:1]
    for row in range(20):
        model.add("new", prompt[0], row, 0.0)
    model.fit()
    assert model.mean(prompt, ["new"])[0] < model.mean(prompt)[0]
    assert model.moments(prompt, ["new"])[1] < model.moments(prompt)[1]


def test_an_unasked_option_starts_near_its_like() -> None:
    """An option worded as a good one is expected to be better than one worded otherwise."""
    texts = ("Think step by step.", "Think step by step!", "Be polite to users.", "Say nothing.")
    model = Surrogate(table(texts, [0, 1, 1, 0]), ROW_IDS[:20], rng=np.random.default_rng(0))
    good, bad = np.array([True, False, False, False]), np.array([False, False, False, True])
    for row in range(20):
        model.add("good", good, row, 1.0)
        model.add("bad", bad, row, 0.0)
    model.fit()
    effects = model.posterior_mean().effects[0]
    assert effects[1] > effects[2]


def test_equal_answers_give_equal_posteriors() -> None:
    """Nothing is random but the draws."""
    one, two = (taught(surrogate(), np.linspace(-2, 2, 81), 150, np.random.default_rng(6)) for _ in range(2))
    assert np.array_equal(one.mean(everything()), two.mean(everything()))
    assert one.variances == two.variances


def test_a_late_success_after_many_failures_is_taken_with_calm() -> None:
    """Only wrong answers, then some right ones: Newton's steps don't run away, beliefs stay near what was seen."""
    rng = np.random.default_rng(0)
    model, prompts = surrogate(), everything()
    for n in range(64):
        p = int(rng.integers(len(prompts)))
        model.add(str(p), prompts[p], int(rng.integers(ROWS)), float(n >= 16 and rng.random() < 0.4))
        if n % 16 == 15:
            model.fit()
    assert model.mean(prompts).mean() == pytest.approx(0.3, abs=0.12)
    assert np.abs(model.posterior_mean().intercept).max() < 5


def test_one_absurd_answer_moves_the_others_little() -> None:
    """A cost without limit may have outliers; what the rest say of their prompts stays."""
    model, other, prompts = surrogate(), surrogate(), everything()
    for m in (model, other):
        taught(m, landscape(np.random.default_rng(0)), 200, np.random.default_rng(1))
    other.add("0", prompts[0], 0, -20.0)
    other.fit()
    assert np.abs(model.mean(prompts) - other.mean(prompts)).max() < 0.15


@pytest.mark.parametrize("link", ["logit", "identity"])
def test_objectives_outside_0_and_1_are_believed_as_they_are(link: Link) -> None:
    """Where costs take all objectives below 0 and above 1, so are the means."""
    model, prompts, rng = surrogate(link=link), everything(), np.random.default_rng(0)
    for i in range(300):
        p = int(rng.integers(len(prompts)))
        model.add(str(p), prompts[p], i % ROWS, 2.0 if prompts[p][0] else -1.0)
    model.fit()
    means = model.mean(prompts)
    assert means[prompts[:, 0]].mean() > 1.5
    assert means[~prompts[:, 0]].mean() < -0.5


@pytest.mark.parametrize("link", ["logit", "identity"])
@pytest.mark.parametrize("options", [{}, {"with_rows": False}, {"with_triples": False}])
def test_evidence_is_the_same_among_prompts_and_among_columns(link: Link, options: dict[str, Any]) -> None:
    """However it is computed, variances differ in it by as much."""
    model = taught(surrogate(link=link, **options), landscape(np.random.default_rng(7)), 80, np.random.default_rng(8))
    regression, weights = model._regression(), model._fit.weights
    assert len(regression.design) < model.n_columns
    among_prompts = regression.log_evidence(weights)
    some = [
        model.variances,
        replace(model.variances, effects=1.1),
        replace(model.variances, misfit=0.9),
        replace(model.variances, pairs=0.7, rows=0.2 * model.variances.rows),
    ]

    def among_columns(variances: Variances) -> float:
        working = regression._working(*regression._observe(weights), variances.misfit)
        return regression._solve(regression._in_columns(working), variances).log_evidence

    first, second = ([evidence_of(v) for v in some] for evidence_of in (among_prompts, among_columns))
    assert np.allclose(np.subtract(first, first[0]), np.subtract(second, second[0]), atol=1e-6)
