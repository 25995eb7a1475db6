"""What a run says about its edits: every part of attribution.json, from outcomes as a run folder has them."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from search.landscape import chosen, make_space

from promptrl.analysis.attribution import MIN_ANSWERS
from promptrl.analysis.pruning import unpruned
from promptrl.attributing import attribute
from promptrl.evaluation import Outcome
from promptrl.llm.base import Completion
from promptrl.runs import OutcomeFile, Run


def attributed(folder: Path, *, is_uniform: bool, n: int = 240) -> dict[str, Any]:
    """Attribution of a run that asked at random; option 1 of slot 0 adds 0.5, slots 1 and 2 add 0.4 together."""
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
    pair = found["interactions"][0]
    assert {pair["first"]["text"], pair["second"]["text"]} == {"o1_2", "o2_1"}
    assert pair["low"] > 0
    assert 1.5 < found["depth"]["early"] < 2.2  # 2/3 + 2/3 + 1/2 edits on average
    assert sum(edit["early"] for edit in found["attention"] if edit["slot"] == "s0") > 0.99


def test_a_run_with_few_answers_says_little(tmp_path: Path) -> None:
    """Nothing fails on it."""
    found = attributed(tmp_path, is_uniform=True, n=MIN_ANSWERS - 1)
    assert (found["effects"], found["interactions"], found["winner"], found["pruning"]) == ([], [], [], None)
    assert attributed(tmp_path, is_uniform=True, n=1)["attention"] == []
