"""What people read about the proof of a run."""

from pathlib import Path

import pytest
from rich.text import Text

from promptrl.console import show_bench, show_evaluation
from promptrl.console.screen import readers
from promptrl.console.tables import distinct_parts, print_effects, prospects
from promptrl.experiment.bench import Bench
from promptrl.report.benchmark import BenchRun, rank_algorithms
from promptrl.search.algorithms import ALGORITHMS
from promptrl.stats.power import split_power


def told(rows: int, min_improvement: float = 0.0, looks: int = 0) -> str:
    """The lines as they appear."""
    power = split_power(rows, 0.95, min_improvement=min_improvement, margin=0.02, is_sequential=False)
    return "\n".join(Text.from_markup(line).plain for line in prospects(power, looks))


def test_the_prospects_name_the_smallest_improvement_and_the_rows_for_same() -> None:
    """With what is assumed for it."""
    text = told(150)
    assert "150 test rows show an improvement of 11 points or more" in text
    assert "25 %" in text
    assert "within 2 points takes about" in text
    assert "gate.min_improvement" not in text
    assert "looked at" not in text


def test_a_gate_that_asks_for_less_than_can_be_shown_is_warned_of() -> None:
    """Before the calls are paid for."""
    assert "gate.min_improvement is 3 points, less than" in told(150, min_improvement=0.03)
    assert "gate.min_improvement" not in told(150, min_improvement=0.2)


def test_too_few_rows_are_said_to_show_nothing() -> None:
    """Five rows of five have a p of 1 in 16."""
    assert "no improvement" in told(5)


@pytest.mark.parametrize(("looks", "words"), [(1, "once before"), (2, "2 times before")])
def test_earlier_looks_are_told(looks: int, words: str) -> None:
    """They make the next verdict worth less."""
    assert words in told(150, looks=looks)


@pytest.mark.parametrize(("look", "words"), [(1, ""), (2, "second look"), (12, "12th look"), (23, "23rd look")])
def test_eval_counts_looks_from_the_second(look: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first look is what the rows are for."""
    entry = {"score": 0.5, "low": 0.4, "high": 0.6, "rows": 90}
    sequential = {"stop": "futility", "looks": 9, "planned_rows": 150, "calls_saved": 120}
    difference = {"score": 0.0, "low": -0.1, "high": 0.1, "p_value": 1.0, "rows": 90, "confidence": 0.95}
    difference |= {"method": "sequential", "sequential": sequential}
    result = {
        "subject": "toy-0001",
        "run_id": "toy-0001",
        "split": "test",
        "metric": "exact_match",
        "verdict": "inconclusive",
        "look": look,
        "data_changes": None,
        "doubts": [],
    }
    sides = {label: {"prompt_id": label, "test": entry} for label in ("baseline", "winner")}
    show_evaluation({**result, **sides, "difference": difference}, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert words in shown
    assert ("look at these test rows" in shown) == bool(words)
    assert "out of reach after 90 of 150 rows, 120 calls saved" in shown
    assert "at 95 %" in shown


def test_what_edits_are_worth_is_told_with_what_could_not_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    """All edits of the winner; on average only those that do something for sure; brackets are no markup."""
    worth = {"edit": "role = [bold]x", "effect": 0.3, "low": 0.1, "high": 0.5, "is_pruned": False}
    idle = worth | {"edit": "care = idle", "effect": 0.0, "low": -0.1, "high": 0.1, "is_pruned": True}
    average = {"edit": "unit = kilo", "effect": -0.2, "low": -0.3, "high": -0.1}
    unsure = {"edit": "unit = mile", "effect": 0.1, "low": -0.1, "high": 0.3}
    result = {"winner_effects": [worth, idle], "effects": [average, unsure], "effects_note": "3 edits have none."}
    print_effects(result, readers())
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "role = [bold]x +30.0 [+10.0, +50.0] lost without it" in shown
    assert "care = idle +0.0 [-10.0, +10.0] lost without it, pruned" in shown
    assert "unit = kilo -20.0 [-30.0, -10.0] on average" in shown
    assert "edit points 90 % interval measured as" in shown
    assert "3 edits have none." in shown
    assert not [line for line in shown if "mile" in line]


def test_finalists_are_told_by_what_they_differ_in() -> None:
    """What all of them end with is left out, but a lone message stays."""
    ending = "\n\n[user]\n{q}"
    assert distinct_parts([f"[system]\nAdd.{ending}", f"[system]\nAdd.\nBe brief.{ending}"]) == [
        "Add.",
        "Add. Be brief.",
    ]
    shown = distinct_parts([f"[system]\nAdd.{ending}", f"[system]\nAdd.\n\n[user]\n1\n\n[assistant]\n2{ending}"])
    assert shown == ["Add.", "Add. [user] 1 [assistant] 2"]
    assert distinct_parts(["[user]\n{q}", "[user]\n{q}"]) == ["[user] {q}"] * 2
    assert distinct_parts([]) == []


def test_no_figure_or_name_of_a_benchmark_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """At 80 columns, with the longest name and the widest figures that there are."""
    scores = (0.0, 1.0)
    runs = [
        BenchRun(name, seed, f"{name}-{seed}", score, score, 0.0, score, "improved", 20_000, 20_000, 10_000.0, 20_000)
        for name in ALGORITHMS
        for seed, score in enumerate(scores)
    ]
    show_bench(Bench(Path("runs/bench-toy"), tuple(runs), tuple(rank_algorithms(runs))), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ALGORITHMS:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert " ".join(line.split()[1:]) == "50.0 ± 70.7 50.0 ± 70.7 +50.0 ± 70.7 20,000 500.0"
    assert sum("10.0–90.0" in line.split() for line in lines) == len(ALGORITHMS)
