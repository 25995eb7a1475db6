"""A run that tokens or dollars end shares out what they pay for as a limit of so many calls would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl import train
from promptrl.llm.base import Completion
from tests.servers.toy_model import CONFIG, answer, write_experiment

TOKENS = 25
"""Of each answer; about four times as many are reserved."""


def _metered(messages: list[dict[str, str]], params: dict[str, object]) -> Completion:
    return Completion(answer(messages, params), prompt_tokens=TOKENS - 5, completion_tokens=5)


def _calls(folder: Path, name: str, *limits: str) -> tuple[Mapping[str, Any], int, float]:
    """Calls by share, tokens and dollars of a run of 600 rows under the limits."""
    folder.mkdir()
    config = write_experiment(
        folder, CONFIG.replace("algorithm: {name: maskable_ppo, n_envs: 4, ", "algorithm: {name: random, ")
    )
    rows = [f"{a} + {b},{a + b}" for a in range(24) for b in range(25)]
    (folder / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    price = "target.price={input_per_million: 1, output_per_million: 1}"
    overrides = [f"name={name}", "target.params.max_tokens=40", price, *limits]
    result = train(config, target=_metered, overrides=overrides, runs_dir=folder / "runs").result
    return result["calls"], sum(result["tokens"].values()), result["cost_usd"] or 0.0


@pytest.mark.parametrize("calls", [450, 700, 1200])
@pytest.mark.parametrize("kind", ["tokens", "usd"])
def test_money_is_shared_out_as_calls_would_be(tmp_path: Path, calls: int, kind: str) -> None:
    """Search, finals and test get about what they would get of so many calls, and it is spent, never overspent."""
    tokens = calls * TOKENS
    limit = f"budget.max_tokens={tokens}" if kind == "tokens" else f"budget.max_usd={tokens / 1e6}"
    plain, _, _ = _calls(tmp_path / "calls", "calls", f"budget.max_calls={calls}")
    paid, used, usd = _calls(tmp_path / "money", "money", "budget.max_calls=2000", limit)
    assert 0.85 * tokens <= used <= tokens
    assert usd <= tokens / 1e6 + 1e-12
    for share, part in (("search", 0.3), ("validation", 0.1), ("test", 0.0)):
        assert abs(paid[share] - plain[share]) <= part * plain[share], share
