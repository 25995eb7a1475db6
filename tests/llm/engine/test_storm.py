"""A training run against a real server in a storm: a third of all requests fails, the result is that of a calm day."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptrl.llm.engine import attempts
from tests.commandline import changing, promptrl
from tests.servers import toy_model
from tests.servers.openai_server import UNAVAILABLE, Fault, OpenAIServer
from tests.servers.toy_model import write_experiment

STORM_SHARE = 0.3
MAX_CALLS, MAX_TOKENS = 330, 60_000


def storm(seed: int) -> Iterator[Fault | None]:
    """Faults for ever, drawn at random."""
    rng = random.Random(seed)
    while True:
        yield rng.choice(UNAVAILABLE) if rng.random() < STORM_SHARE else None


def train(folder: Path, server: OpenAIServer, seed: int) -> dict[str, Any]:
    """Train the toy experiment against a server, with a runs folder, and so a cache, of its own."""
    target = f"{{type: openai, model: toy, base_url: '{server.base_url}', api_key_env: null, max_retries: 20}}"
    overrides = (
        f"target={target}",
        "target.params.max_tokens=8",
        f"seed={seed}",
        f"budget.max_calls={MAX_CALLS}",
        f"budget.max_tokens={MAX_TOKENS}",
    )
    done = promptrl("train", folder / "toy.yaml", "--runs-dir", folder / "runs", *changing(*overrides))
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads((folder / "runs/toy-0001/result.json").read_text())
    assert result["calls"]["paid"] == len(server.requests)
    assert result["calls"]["total"] <= MAX_CALLS
    assert sum(result["tokens"].values()) <= MAX_TOKENS
    return result


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_storm_changes_nothing_but_the_price(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same best prompt with the same scores, within the same budget; what failed was asked again."""
    monkeypatch.setattr(attempts, "_BACKOFF_S", 0.01)
    results = {}
    for weather in ("calm", "storm"):
        folder = tmp_path / weather
        folder.mkdir()
        write_experiment(folder)
        faults = storm(seed) if weather == "storm" else ()
        with OpenAIServer(toy_model.answer, faults) as server:
            results[weather] = train(folder, server, seed)
    calm, stormy = results["calm"], results["storm"]
    assert stormy["winner"] == calm["winner"]
    assert stormy["baseline"] == calm["baseline"]
    assert stormy["verdict"] == calm["verdict"]
    assert stormy["calls"]["paid"] > 1.2 * calm["calls"]["paid"]
