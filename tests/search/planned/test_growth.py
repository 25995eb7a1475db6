"""A space that grows while it is searched: nothing is lost, and in the end it is as if it had been so all along."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.special import expit

from promptrl.errors import ConfigError
from promptrl.prompts.building import make_slot_space
from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import AGENTS, BASELINES
from promptrl.search.context import SearchContext
from promptrl.search.growth import Grow, Growth, GrowthRequest
from promptrl.search.live.search import LiveSettings, search_live
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.planned.search import PlannedSettings, search_planned
from promptrl.search.result import SearchResult
from promptrl.search.searches import load_search
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.trials import Trials
from promptrl.tasks.dataset import Example
from tests.search.landscape import Value, baseline_settings, chosen, make_context, table_evaluator

SLOTS = {f"s{i}": ("", *(f"o{i}_{k}" for k in range(1, 6))) for i in range(4)}
FIRST = {slot: options[:4] for slot, options in SLOTS.items()}
MORE = Growth({slot: options[4:] for slot, options in SLOTS.items()})
NO_PRACTICE = PlannedSettings(rules=PlanningRules(imagined_steps=0))


def landscape(seed: int) -> tuple[Callable[[Prompt], float], Value]:
    """How often a prompt is right, by single and pair effects of its options; and its answers of right or wrong."""
    rng = np.random.default_rng(seed)
    effects, pairs = rng.normal(0, 1.0, (4, 6)), rng.normal(0, 0.5, (4, 6, 4, 6))

    def chance(prompt: Prompt) -> float:
        option = [chosen(prompt).get(slot, 0) for slot in range(4)]
        single = sum(effects[slot, option[slot]] for slot in range(4) if option[slot])
        together = sum(pairs[i, option[i], j, option[j]] for j in range(4) for i in range(j))
        return float(expit(single + together - 1.5))

    def value(prompt: Prompt, row: Example) -> float:
        coin = int(prompt.prompt_id, 16) * 31 + int(row.id[1:]) * 7919
        return float(np.random.default_rng(coin).random() < chance(prompt))

    return chance, value


def after(calls: int, growth: Growth) -> Grow:
    """One growth, at the first batch after so many calls."""
    left = [growth]

    def grow(request: GrowthRequest) -> Growth | None:
        return left.pop() if left and request.calls_used >= calls else None

    return grow


def context(seed: int, slots: Mapping[str, Sequence[str]], grow: Grow | None = None, calls: int = 300) -> SearchContext:
    """A landscape to search."""
    evaluator = table_evaluator(landscape(seed)[1], search=calls)
    return make_context(evaluator, space=make_slot_space(slots, "{question}"), seed=seed, grow=grow)


def facts(result: SearchResult) -> tuple[object, ...]:
    """All of a result that two equal searches share."""
    return result.candidates, result.stop_reason, result.calls_used, result.decisions, result.space


def test_a_grown_search_ends_where_one_with_all_options_does() -> None:
    """Eight options that come after 100 of 240 calls cost nothing beyond noise, over nine landscapes, paired.

    The mean loss is small, and its 95 % interval does not lie above 0.
    """
    losses = []
    for seed in range(9):
        chance, _ = landscape(seed)
        always = search_planned(context(seed, SLOTS, calls=240), NO_PRACTICE)
        grown = search_planned(context(seed, FIRST, after(100, MORE), calls=240), NO_PRACTICE)
        assert grown.space.n_edits == always.space.n_edits == 24
        losses.append(chance(always.candidates[0].prompt) - chance(grown.candidates[0].prompt))
    mean, half = float(np.mean(losses)), 2.3 * float(np.std(losses, ddof=1)) / len(losses) ** 0.5
    assert mean < 0.04
    assert mean - half < 0


@pytest.mark.parametrize("imagined_steps", [0, 32])
def test_growing_by_nothing_changes_no_digit(imagined_steps: int) -> None:
    """Asked before every batch but the first, and told that there is nothing new."""
    settings = PlannedSettings(rules=PlanningRules(imagined_steps=imagined_steps))
    asked: list[int] = []

    def grow(request: GrowthRequest) -> Growth | None:
        asked.append(request.calls_used)
        assert [c.mean for c in request.leaders] == sorted((c.mean for c in request.leaders), reverse=True)
        return Growth({"s0": ()}) if len(asked) % 2 else None

    still = search_planned(context(1, FIRST, calls=120), settings)
    found = search_planned(context(1, FIRST, grow, calls=120), settings)
    assert facts(found) == facts(still)
    assert asked == sorted(set(asked))
    assert len(asked) >= 5
    assert asked[0] == 16


@pytest.mark.parametrize("algorithm", AGENTS)
def test_every_agent_goes_on_in_the_larger_space(algorithm: str) -> None:
    """It practises on, asks for new options, and two equal searches that grow are equal."""
    settings = PlannedSettings(algorithm=algorithm, rules=PlanningRules(imagined_steps=32))
    results = [search_planned(context(3, FIRST, after(40, MORE), calls=100), settings) for _ in range(2)]
    assert facts(results[0]) == facts(results[1])
    assert results[0].env_steps >= 4 * 32
    assert any(max(chosen(c.prompt).values(), default=0) > 3 for c in results[0].candidates)


def test_an_agent_built_anew_practises_on_other_episodes() -> None:
    """Else one that gains options every night would draw the same starts again and again."""
    planner = Planner(Trials(context(0, FIRST)), PlanningRules(), None, np.random.default_rng(0))
    assert len({planner.next_seed() for _ in range(5)}) == 5


def test_growth_keeps_what_the_planner_knows() -> None:
    """Asked prompts are worth what they were, answers count as before, and new options may be imagined."""
    trials = Trials(context(0, FIRST, after(0, MORE)), can_grow=True)
    planner = Planner(trials, PlanningRules(), None, np.random.default_rng(0))
    planner.begin()
    for _ in range(4):
        planner.advance(None)
    before, answers, variances = planner.leaders, planner.surrogate.n_answers, planner.surrogate.variances
    assert planner.grow(is_exhausted=False)
    now = {c.prompt.prompt_id: c for c in planner.leaders}
    assert now.keys() == {c.prompt.prompt_id for c in before}
    assert max(abs(now[c.prompt.prompt_id].mean - c.mean) for c in before) < 0.02
    assert (planner.surrogate.n_answers, planner.surrogate.variances) == (answers, variances)
    assert int(planner.imagination.posterior.answers.sum()) == answers
    assert planner.imagination.moves.space == trials.space == planner.moves.space
    assert not planner.grow(is_exhausted=False)


def test_a_slot_of_one_text_and_a_new_slot_can_grow() -> None:
    """Answers from before are answers with the text that the slot had."""
    slots = {"s0": ("", "o0_1", "o0_2"), "s1": ("o1_1",)}
    growth = Growth({"s1": ("o1_2",), "s2": ("o2_1",)})
    result = search_planned(context(0, slots, after(30, growth), calls=80), NO_PRACTICE)
    assert result.surrogate is not None
    answers = result.surrogate.answers
    first = result.surrogate.table.texts.index("o1_1")
    assert answers.features[answers.prompt[:30], first].all()
    assert not answers.features[:, first].all()
    assert result.space.n_edits == 3 + 2 + 2


def test_a_search_hands_on_what_its_surrogate_learned() -> None:
    """Restored, it says of the candidates what they were ranked by."""
    result = search_planned(context(0, FIRST, after(40, MORE), calls=100), NO_PRACTICE)
    assert result.surrogate is not None
    assert len(result.surrogate.answers.objective) == result.calls_used
    restored = Surrogate.from_state(result.surrogate)
    moves = Moves(result.space)
    features = np.stack([moves.features(c.prompt) for c in result.candidates])
    means = restored.mean(features, [c.prompt.prompt_id for c in result.candidates])
    assert means.tolist() == pytest.approx([c.mean for c in result.candidates])


def test_local_search_grows() -> None:
    """The baseline that plans takes in new options, too."""
    result = load_search("thompson")(context(3, FIRST, after(40, MORE), calls=100), baseline_settings("thompson"))
    assert result.space.n_edits == 24
    assert any(max(chosen(c.prompt).values(), default=0) > 3 for c in result.candidates)


@pytest.mark.parametrize("name", ["thompson", "agent"])
def test_a_search_with_nothing_left_to_ask_waits_for_growth(name: str) -> None:
    """Two prompts on a few rows are soon asked all; who adds options then keeps the search going to its last call."""

    def search(told: SearchContext) -> SearchResult:
        if name == "agent":
            return search_planned(told, NO_PRACTICE)
        return load_search(name)(told, baseline_settings(name))

    exhausted: list[int] = []

    def grow(request: GrowthRequest) -> Growth | None:
        exhausted.extend([request.calls_used] * request.is_exhausted)
        return Growth({"s0": (f"o0_{1 + len(exhausted)}",)}) if request.is_exhausted else None

    few = context(1, {"s0": ("", "o0_1")}, grow, calls=90)
    result = search(replace(few, rows=few.rows[:20]))
    assert (result.calls_used, result.stop_reason, exhausted[:2]) == (90, "budget", [40, 60])
    assert 60 < exhausted[2] <= 80  # by then a prompt may be so far behind that its last rows are not asked
    alone = context(1, {"s0": ("", "o0_1")}, calls=90)
    ended = search(replace(alone, rows=alone.rows[:20]))
    assert (ended.calls_used, ended.stop_reason) == (40, "converged")


@pytest.mark.parametrize("name", [*(name for name in BASELINES if name != "thompson"), "live"])
def test_who_can_not_grow_says_so_before_the_first_call(name: str) -> None:
    """The message says what can; nothing was asked."""
    told = context(0, FIRST, after(40, MORE))
    search = (
        partial(search_live, told, LiveSettings())
        if name == "live"
        else partial(load_search(name), told, baseline_settings(name))
    )
    with pytest.raises(ConfigError, match=r"can't take in options that are added while it works.*thompson"):
        search()
    assert told.evaluator.calls_left("search") == 300


def test_new_options_are_asked_at_once_as_often_as_wanted() -> None:
    """Each in the best prompt so far, on rows new to it, before anything else; then the search goes on as it was."""
    wanted = Growth({"s0": ("o0_4", "o0_5"), "s4": ("o4_1",)}, asks_each=4)
    trials = Trials(context(0, FIRST, after(0, wanted)), can_grow=True)
    planner = Planner(trials, PlanningRules(), None, np.random.default_rng(0))
    planner.begin()
    best = planner.leaders[0].prompt
    assert planner.grow(is_exhausted=False)
    proposals = planner.propose(None)
    new = [trials.space.with_option(best, *option) for option in (("s0", "o0_4"), ("s0", "o0_5"), ("s4", "o4_1"))]
    assert [p.prompt for p in proposals[:12]] == [prompt for prompt in new for _ in range(4)]
    assert len(proposals) == 16
    planner.ask(proposals)
    assert [len(trials.records[prompt.prompt_id].objectives) >= 4 for prompt in new] == [True] * 3
    later = [p.prompt.prompt_id for p in planner.propose(None)[:12]]
    assert later != [prompt.prompt_id for prompt in new for _ in range(4)]


def test_what_is_believed_of_edits_is_told_to_who_grows_the_space() -> None:
    """A good option is worth more than a bad one; a candidate that reads like a good one more than one like a bad one.

    What is not known yet is uncertain, and answers are counted.
    """
    told: list[GrowthRequest] = []

    def value(prompt: Prompt, row: Example) -> float:
        return {"": 0.5, "Work step by step.": 0.95, "Just guess.": 0.05}[prompt.slot("s0")]

    def grow(request: GrowthRequest) -> Growth | None:
        if request.calls_used < 48:
            return None
        told.append(request)
        beliefs = request.beliefs()
        assert beliefs is not None
        good, bad = beliefs.of_options([("s0", "Work step by step."), ("s0", "Just guess.")])
        assert good.mean > 0.1
        assert bad.mean < -0.1
        assert good.answers > 4
        mean, covariance = beliefs.of_candidates([("s1", "Go step by step."), ("s2", "You may guess.")])
        assert mean[0] > mean[1]
        assert covariance[0, 0] > 0.02**2
        expected = beliefs.expected([c.prompt for c in request.leaders])
        assert expected.tolist() == pytest.approx([c.mean for c in request.leaders])
        assert request.calls_allowed == 64
        return None

    slots = {"s0": ("", "Work step by step.", "Just guess.")}
    search_planned(
        make_context(table_evaluator(value, search=64), space=make_slot_space(slots, "{question}"), grow=grow),
        NO_PRACTICE,
    )
    assert told


def test_a_retired_option_is_asked_no_more() -> None:
    """Nobody comes up with it any more, though prompts that hold it are known; nothing else is lost."""
    calls: dict[bool, set[str]] = {True: set(), False: set()}
    held: set[str] = set()
    grow = after(48, Growth({}, {"s0": ("o0_1",)}))

    def noting(request: GrowthRequest) -> Growth | None:
        calls[request.calls_used <= 48] |= {c.prompt.prompt_id for c in request.leaders}
        held.update(c.prompt.prompt_id for c in request.leaders if chosen(c.prompt).get(0) == 1)
        return grow(request)

    result = search_planned(context(1, FIRST, noting, calls=160), NO_PRACTICE)
    assert result.calls_used == 160
    assert result.space.is_retired.sum() == 1
    assert result.grown_at is None
    new = calls[False] - calls[True]
    assert len(new) > 20
    assert held & calls[True]
    assert not held & new
