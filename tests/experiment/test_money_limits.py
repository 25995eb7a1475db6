"""A run that tokens or dollars end shares out what they pay for as a limit of so many calls would."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptrl import train
from promptrl.experiment.events import CallsMade, Event, RunStarted
from promptrl.llm.base import Completion
from tests.servers.toy_model import CONFIG, answer, write_experiment

TOKENS = 25
"""Of each answer; about four times as many are reserved."""
ALGORITHM = "algorithm: {name: maskable_ppo, n_envs: 4, "

Model = Callable[[list[dict[str, str]], dict[str, object]], Completion]


def _metered(messages: list[dict[str, str]], params: dict[str, object]) -> Completion:
    return Completion(answer(messages, params), prompt_tokens=TOKENS - 5, completion_tokens=5)


def _run(
    folder: Path, *limits: str, model: Model = _metered, algorithm: str = "random"
) -> tuple[dict[str, Any], dict[str, int]]:
    """The result of a run of 600 rows under the limits; the shares that its stages had, and its test rows."""
    folder.mkdir()
    config = write_experiment(folder, CONFIG.replace(ALGORITHM, f"algorithm: {{name: {algorithm}, "))
    rows = [f"{a} + {b},{a + b}" for a in range(24) for b in range(25)]
    (folder / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    price = "target.price={input_per_million: 1, output_per_million: 1}"
    shares: dict[str, int] = {}

    def note(event: Event) -> None:
        if isinstance(event, CallsMade):
            shares[event.stage] = event.allowed
        elif isinstance(event, RunStarted):
            shares["test_rows"] = event.rows["test"]

    overrides = ["target.params.max_tokens=40", price, *limits]
    result = train(config, target=model, overrides=overrides, runs_dir=folder / "runs", observe=note).result
    return result, shares | {"test": result["calls"]["test"]}


def _limit(kind: str, tokens: int) -> tuple[str, str]:
    return (
        "budget.max_calls=2000",
        f"budget.max_tokens={tokens}" if kind == "tokens" else f"budget.max_usd={tokens / 1e6}",
    )


@pytest.mark.parametrize("calls", [450, 700, 1200])
@pytest.mark.parametrize("kind", ["tokens", "usd"])
def test_money_is_shared_out_as_calls_would_be(tmp_path: Path, calls: int, kind: str) -> None:
    """Search, finals and test get about what they would get of so many calls, and it is spent, never overspent."""
    tokens = calls * TOKENS
    _, plain = _run(tmp_path / "calls", f"budget.max_calls={calls}")
    result, paid = _run(tmp_path / "money", *_limit(kind, tokens))
    assert 0.85 * tokens <= sum(result["tokens"].values()) <= tokens
    assert result["cost_usd"] <= tokens / 1e6 + 1e-12
    assert paid["test"] == plain["test"]
    for share in ("search", "validation"):
        assert paid[share] == pytest.approx(plain[share], rel=0.1), share


@pytest.mark.parametrize("algorithm", ["random", "thompson"])
@pytest.mark.parametrize("dearness", [1.5, 3])
def test_a_winner_dearer_than_the_rest_is_tested_on_the_rows_that_are_paid(
    tmp_path: Path, dearness: float, algorithm: str
) -> None:
    """What its answers cost is known before the test: no run ends after paying without a verdict."""

    def model(messages: list[dict[str, str]], params: dict[str, object]) -> Completion:
        is_good = {"Add", "digits"} <= set(messages[0]["content"].split())
        return Completion(answer(messages, params), round(TOKENS * (dearness if is_good else 1)) - 5, 5)

    tokens = 1000 * TOKENS
    result, sizes = _run(tmp_path / "money", *_limit("usd", tokens), model=model, algorithm=algorithm)
    unpaid = result["improvement"]["test"]["unpaid_rows"]
    assert result["verdict"] == "improved"
    assert result["calls"]["test"] == 2 * (sizes["test_rows"] - unpaid)
    assert 0 <= unpaid <= sizes["test_rows"] * (0.2 if dearness == 1.5 else 0.5)
    assert 0.85 * tokens <= sum(result["tokens"].values()) <= tokens
    report = next((tmp_path / "money/runs").glob("toy-*/report.html")).read_text(encoding="utf-8")
    assert (f"{unpaid} test rows were not asked" in report) is (unpaid > 0)


@pytest.mark.parametrize(
    ("calls", "dearness", "algorithm"),
    [
        (900, 1, "random"),
        (1400, 1, "random"),
        (900, 3, "random"),
        (1400, 3, "random"),
        (1400, 10, "random"),
        (600, 10, "thompson"),
    ],
)
def test_folds_are_judged_on_the_rows_that_are_paid(tmp_path: Path, calls: int, dearness: int, algorithm: str) -> None:
    """Each search has calls, however dear the winner of an earlier fold is, and the run ends with a verdict."""

    def model(messages: list[dict[str, str]], params: dict[str, object]) -> Completion:
        is_good = {"Add", "digits"} <= set(messages[0]["content"].split())
        return Completion(answer(messages, params), 20, TOKENS * (dearness if is_good else 1) - 20)

    tokens = calls * TOKENS
    folds = ("dataset.folds=3", "dataset.limit=300", f"target.params.max_tokens={40 if dearness < 10 else 300}")
    result, sizes = _run(tmp_path / "money", *_limit("usd", tokens), *folds, model=model, algorithm=algorithm)
    judged = [fold["rows"] for fold in result["improvement"]["folds"]]
    unpaid = result["improvement"]["test"]["unpaid_rows"]
    assert sum(judged) == sizes["test_rows"] - unpaid
    assert sum(result["tokens"].values()) <= tokens
    assert result["verdict"] in ("improved", "inconclusive")
