"""The configs that people copy work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from promptrl.config.source import parse
from promptrl.llm.targets.openai import OpenAITargetDefinition

CONFIGS = Path(__file__).parents[2] / "configs"
OPENAI = CONFIGS / "openai.yaml"
OTHER_TARGETS = re.findall(r"^#\s+target: (\{.*\})$", OPENAI.read_text(), re.MULTILINE)
NIGHTLY = CONFIGS / "ci" / "nightly.yml"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_loads_and_opens_with_what_it_shows(path: Path) -> None:
    """`promptrl init --example list` shows the first comment."""
    loaded = load_config(path)
    assert loaded.config.budget.max_calls <= 5000
    assert re.match(r"# \w", loaded.text)


def test_there_are_servers_to_choose_from() -> None:
    """The comments of the OpenAI example name the usual servers."""
    assert len(OTHER_TARGETS) == 5


@pytest.mark.parametrize("target", OTHER_TARGETS)
def test_every_server_in_the_comments_loads(target: str) -> None:
    """What stands in the comments can be given as an override."""
    config = load_config(OPENAI, [f"target={target}", "budget.max_usd=null"]).config
    assert isinstance(config.target.definition, OpenAITargetDefinition)
    assert config.budget.max_usd is None


def workflow_steps() -> dict[str, dict[str, Any]]:
    """The steps of the nightly workflow by name."""
    source, issues = parse(NIGHTLY.read_text(), str(NIGHTLY))
    assert not issues
    assert set(source.data["on"]) == {"schedule", "workflow_dispatch"}
    return {step.get("name", step.get("uses")): step for step in source.data["jobs"]["train"]["steps"]}


def test_the_workflow_keeps_runs_and_answers_even_after_a_failure() -> None:
    """A night that ends badly has still been paid for."""
    steps = workflow_steps()
    assert "--json --fail-on worse" in steps["Train"]["run"]
    kept = [step for name, step in steps.items() if name.startswith(("Keep", "Summary"))]
    assert [step["if"] for step in kept] == ["always()"] * 3
    saved, fetched = (steps[name]["with"] for name in steps if "answers" in name)
    assert (saved["path"], saved["key"]) == (fetched["path"], fetched["key"])
    assert "runs/.looks.jsonl" in saved["path"].split(), "test rows that were looked at stay so"


def summary(folder: Path, result: dict[str, Any] | None) -> str:
    """Run the workflow's summary step on a run folder."""
    run = folder / "runs" / "demo-0001"
    run.mkdir(parents=True)
    if result is not None:
        (run / "result.json").write_text(json.dumps(result))
    (folder / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    subprocess.run(
        ["bash", "-e", "-c", workflow_steps()["Summary"]["run"]], cwd=folder, env=environment, check=True, timeout=60
    )
    return (folder / "summary.md").read_text(encoding="utf-8")


def result_with(text: str, test: dict[str, float] | None) -> dict[str, Any]:
    """A result.json of which the winner has this text."""
    return {
        "run_id": "demo-0001",
        "verdict": "improved",
        "calls": {"total": 1500},
        "cost_usd": None,
        "baseline": {"text": "What?", "test": test and {"score": 0.5}},
        "winner": {"text": text, "test": test and {"score": 0.75}},
        "improvement": {"against": "baseline", "test": test},
    }


def test_the_summary_says_what_the_night_brought(tmp_path: Path) -> None:
    """Verdict, scores, interval, and the prompts, which are text that nobody has checked."""
    test = {"score": 0.25, "low": 0.125, "high": 0.375, "p_value": 0.001}
    told = summary(tmp_path, result_with("</pre><script>", test))
    for line in ("| verdict | improved |", "| winner, test score | 0.75 |", "| interval | +0.125 to +0.375 |"):
        assert line in told
    assert "| US dollars | – |" in told
    assert "&lt;/pre&gt;&lt;script&gt;" in told
    assert "<script>" not in told


def test_the_summary_stays_under_the_limit(tmp_path: Path) -> None:
    """A summary over 1 MiB would be dropped whole."""
    told = summary(tmp_path, result_with("&é" * 1_000_000, None))
    assert 100_000 < len(told.encode()) <= 2**20
    assert "| interval | – |" in told


def test_a_night_without_a_result_says_so(tmp_path: Path) -> None:
    """The summary is written even when training failed."""
    assert "No run finished" in summary(tmp_path, None)
