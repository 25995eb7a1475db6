"""What a run says about its edits: every part of attribution.json, from outcomes as a run folder has them."""

from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from promptrl.evaluation.outcome import Outcome
from promptrl.experiment.edit_effects import attribute
from promptrl.llm.base import Completion
from promptrl.prompts.building import build_edit_space
from promptrl.prompts.prompt import Demonstration
from promptrl.report.notes import effects_note, pruning_note
from promptrl.runs.folder import Run
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.search.result import Decision
from promptrl.selection.pruning import SkipReason, unpruned
from promptrl.stats.main_effects import MIN_ANSWERS, MIN_UNLIKE
from tests.search.landscape import chosen, make_space


def attributed(folder: Path, *, is_uniform: bool, n: int = 240, draws: int = 0) -> dict[str, Any]:
    """Attribution of a run that asked at random; option 1 of slot 0 adds 0.5, slots 1 and 2 add 0.4 together.

    So many ``draws`` are answers to the baseline that count as drawn uniformly.
    """
    space, rng = make_space((3, 3, 2)), np.random.default_rng(0)
    prompts = list(space.enumerate())
    asked = []
    for number in range(n):
        prompt = prompts[int(rng.integers(len(prompts)))]
        held = chosen(prompt)
        score = 0.5 * (held.get(0) == 1) + 0.4 * (held.get(1) == 2 and held.get(2) == 1)
        row = f"r{number % 12}"
        outcome = Outcome(prompt.prompt_id, row, 0, "search", Completion(""), {}, score, score, uniform=is_uniform)
        asked.append((prompt, outcome))
    for number in range(draws):
        drawn = Outcome(prompts[0].prompt_id, f"r{number}", 0, "search", Completion(""), {}, 0.0, 0.0, uniform=True)
        asked.append((prompts[0], drawn))
    with closing(OutcomeFile(folder, lambda prompt: [])) as log:
        log.record(asked)
    return attribute(Run(folder), space, [outcome for _, outcome in asked], prompts[-1], unpruned(prompts[-1]))


def test_uniform_answers_give_effects_the_best_first(tmp_path: Path) -> None:
    """With the edit's slot and text; of a slot with two options only the one that the baseline lacks is told."""
    found = attributed(tmp_path, is_uniform=True)
    assert found["uniform_answers"] == 240
    best, *rest = found["effects"]
    assert (best["slot"], best["text"]) == ("s0", "o0_1")
    assert 0.4 < best["low"] < 0.5 < best["high"] < 0.6
    assert [edit["text"] for edit in [best, *rest] if edit["slot"] == "s2"] == ["o2_1"]
    assert {edit["text"] for edit in rest if edit["slot"] == "s0"} == {"", "o0_2"}


def test_answers_of_an_agent_give_no_effects(tmp_path: Path) -> None:
    """They are confounded; what they show of pairs and of where the search looked is told all the same."""
    found = attributed(tmp_path, is_uniform=False)
    assert (found["effects"], found["uniform_answers"]) == ([], 0)
    assert "this search marks none" in found["effects_note"]
    pair = found["interactions"][0]
    assert {pair["first"]["text"], pair["second"]["text"]} == {"o1_2", "o2_1"}
    assert pair["low"] > 0
    assert 1.5 < found["depth"]["early"] < 2.2  # 2/3 + 2/3 + 1/2 edits on average
    assert sum(edit["early"] for edit in found["attention"] if edit["slot"] == "s0") > 0.99


def test_an_agents_decisions_are_told_by_name(tmp_path: Path) -> None:
    """What it did, how probable that and stopping were, and which other edits were; without probabilities none."""
    space = make_space((3, 3, 2))
    probabilities = [0.0] * space.n_actions
    probabilities[1], probabilities[4], probabilities[5], probabilities[space.stop] = 0.6, 0.25, 0.005, 0.145
    decisions = [Decision(1, tuple(probabilities)), Decision(space.stop)]
    with closing(OutcomeFile(tmp_path, lambda prompt: [])):
        baseline = space.baseline
        first, last = attribute(Run(tmp_path), space, [], baseline, unpruned(baseline), decisions)["policy"]
    assert (first["taken"]["text"], first["probability"], first["stop"]) == ("o0_1", 0.6, 0.145)
    assert [(edit["text"], edit["probability"]) for edit in first["others"]] == [("o1_1", 0.25)]
    assert last == {
        "taken": {"edit": "stop", "slot": "", "text": ""}, "probability": None, "stop": None, "others": []
    }  # fmt: skip


def test_where_the_search_looked_leaves_out_what_was_drawn(tmp_path: Path) -> None:
    """Draws would water down what the policy prefers."""
    for name in ("alone", "mixed"):
        (tmp_path / name).mkdir()
    alone = attributed(tmp_path / "alone", is_uniform=False)
    mixed = attributed(tmp_path / "mixed", is_uniform=False, draws=240)
    assert mixed["uniform_answers"] == 240
    assert (mixed["attention"], mixed["depth"]) == (alone["attention"], alone["depth"])


def test_a_run_with_few_answers_says_so(tmp_path: Path) -> None:
    """Nothing fails on it, and what would help is told."""
    found = attributed(tmp_path, is_uniform=True, n=MIN_ANSWERS - 1)
    assert (found["effects"], found["interactions"], found["winner"], found["pruning"]) == ([], [], [], None)
    assert f"this run has {MIN_ANSWERS - 1}" in found["effects_note"]
    assert "budget.max_calls" in found["effects_note"]
    assert attributed(tmp_path, is_uniform=True, n=1)["attention"] == []


@pytest.mark.parametrize(
    ("right", "missing", "words"),
    [(30, 0, None), (30, 2, "2 edits have"), (30, 1, "1 edit"), (MIN_UNLIKE - 1, 5, "scored alike")],
)
def test_edits_without_an_effect_are_counted(right: int, missing: int, words: str | None) -> None:
    """None missing, nothing to say."""
    note = effects_note([1.0] * right + [0.0] * (60 - right), missing)
    assert note is None if words is None else words in str(note)


@pytest.mark.parametrize("obstacle", get_args(SkipReason))
def test_every_obstacle_to_pruning_has_words(obstacle: SkipReason) -> None:
    """That nothing was pruned, and why."""
    assert str(pruning_note(obstacle)).startswith("Nothing was pruned: ")
    assert pruning_note(None) is None


def test_a_demonstration_is_told_once(tmp_path: Path) -> None:
    """Adding it and swapping it in make the same prompt."""
    shown = [Demonstration(f"d{n}", f"{n}?", str(n)) for n in range(4)]
    space = build_edit_space(
        slots={"task": ["Add.", "Sum."]},
        text=None,
        user="{question}",
        separator=" ",
        demonstrations=shown,
        max_demonstrations=2,
        bank=False,
        phrases=False,
        reorder=False,
        tokens=None,
    )
    assert "swap_demonstration" in {edit.kind for edit in space.edits}
    rng, asked = np.random.default_rng(0), []
    for number in range(200):
        prompt = space.draw(rng)
        asked.append((prompt, Outcome(prompt.prompt_id, f"r{number}", 0, "search", Completion(""), {}, 0.0, 0.0)))
    with closing(OutcomeFile(tmp_path, lambda prompt: [])) as log:
        log.record(asked)
    found = attribute(Run(tmp_path), space, [o for _, o in asked], space.baseline, unpruned(space.baseline))
    told = [edit["edit"] for edit in found["attention"] if "demonstration" in edit["edit"]]
    assert len(told) == 4
    assert all(label.startswith("add ") for label in told)
