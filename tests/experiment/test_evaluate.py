"""Prompt files as they lie on disks, and what two prompts on held-out rows are said to prove."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.simulated_world import World, live_through
from promptrl.experiment.evaluate import read_prompt
from promptrl.experiment.proof_stage import compare_prompts
from promptrl.llm.base import Message
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.stats.gate import Gate

BASELINE = Prompt((), (), UserTemplate("{x}"))


def test_line_breaks_of_an_exported_prompt_are_kept(tmp_path: Path) -> None:
    """A demonstration from a mail has line breaks of its own, and the template may end in one."""
    prompt = Prompt((("task", "Sort."),), (Demonstration("r", "a\r\nb", "c"),), UserTemplate("{x}\n"))
    file = tmp_path / "best_prompt.txt"
    file.write_bytes(f"{prompt.text}\n".encode())
    assert read_prompt(file, BASELINE).render({"x": "1"}) == prompt.render({"x": "1"})


def test_a_file_from_windows_has_its_headings(tmp_path: Path) -> None:
    """An editor there ends every line in two characters."""
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"[system]\r\nSort.\r\n\r\n[user]\r\n{x}\r\n")
    assert read_prompt(file, BASELINE).render({"x": "1"}) == Prompt(
        (("task", "Sort."),), (), UserTemplate("{x}")
    ).render({"x": "1"})


def test_literal_braces_of_a_file_ask_for_nothing(tmp_path: Path) -> None:
    """With them alone a text is the system message; beside a placeholder they stay in the user's."""
    file = tmp_path / "prompt.txt"
    for text in (r"\begin{align} a \end{align}", r"{x} \begin{align} a \end{align}"):
        file.write_text(text, encoding="utf-8")
        first = read_prompt(file, BASELINE, ("align",)).render({"x": "1"})[0]
        assert first == Message("user" if "{x}" in text else "system", text.replace("{x}", "1"))


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_the_reported_test_score_is_the_true_one_on_average(spread: float) -> None:
    """Whatever the verdict; what chose the winner, train and validation rows, flatters it."""
    errors: dict[str, list[float]] = {"test": [], "validation": [], "training": []}
    for number in range(60):
        rng = np.random.default_rng(number)
        night = live_through(World(rng, 64, spread, (100, 100, 150)), Gate(), rng)
        if night.on_test is not None:
            scores = [outcome.score for outcome in night.on_test.outcomes["winner"] if outcome]
            errors["test"].append(float(np.mean(scores)) - night.true_score)
            errors["validation"].append(night.validation - night.true_score)
            errors["training"].append(night.training - night.true_score)
    mean = {rows: float(np.mean(values)) for rows, values in errors.items()}
    assert len(errors["test"]) > 40
    assert abs(mean["test"]) < 0.015
    assert mean["validation"] > 0.015
    assert mean["training"] > mean["validation"]


def test_a_gate_that_looks_as_rows_come_in_asks_fewer() -> None:
    """A better prompt is proven before all rows are asked; the batches are those asked for."""
    rng = np.random.default_rng(4)
    world = World(rng, 64, 0.6, (100, 100, 400))
    night = live_through(world, Gate(is_sequential=True), rng)
    assert night.on_test is not None
    course = night.on_test.sequential
    assert course is not None
    assert (course.stop, course.comparison.rows % 8) == ("improved", 0)
    assert course.comparison.rows == len(night.on_test.outcomes["baseline"]) < course.planned_rows == 400


def test_a_target_that_takes_all_rows_at_once_is_looked_at_all_the_same() -> None:
    """Room for every row in one batch does not spend them: a clear answer comes after a part of them."""
    rng = np.random.default_rng(4)
    world = World(rng, 64, 0.6, (100, 100, 400))
    best = int(np.argmax(world.true_scores))
    prompts = {"baseline": world.prompts[0], "winner": world.prompts[best]}
    paired = compare_prompts(world.evaluator(), prompts, world.test, "test", Gate(is_sequential=True), look_rows=1000)
    assert paired.sequential is not None
    assert paired.sequential.stop == "improved"
    assert len(paired.outcomes["winner"]) < 400


@pytest.mark.parametrize("is_sequential", [False, True])
def test_repeated_answers_cost_calls_but_make_no_rows(is_sequential: bool) -> None:
    """Three answers to each of 40 rows are 40 rows."""
    world = World(np.random.default_rng(0), 2, 0.0, (1, 1, 40))
    gate = Gate(repeats=3, is_sequential=is_sequential)
    prompts = {"baseline": world.prompts[0], "winner": world.prompts[1]}
    paired = compare_prompts(world.evaluator(), prompts, world.test, "test", gate, look_rows=10)
    assert paired.comparison is not None
    assert len(paired.outcomes["winner"]) == 3 * paired.comparison.rows
    assert paired.calls_saved == (6 * (40 - paired.comparison.rows) if is_sequential else 0)
    assert paired.comparison.rows < 40 if is_sequential else paired.comparison.rows == 40
