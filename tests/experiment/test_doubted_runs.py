"""A run whose scores tell prompts nothing says so: while it searches, in its verdict, and in what it leaves behind."""

import json
from itertools import repeat
from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.errors import StopRequestedError
from promptrl.experiment.build import build_components
from promptrl.experiment.events import Event, MeasurementDoubted
from promptrl.experiment.train import resume, train
from promptrl.runs.runs_folder import RunsFolder
from tests.commandline import changing, only_result, promptrl
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

TEXT = CONFIG.replace("max_calls: 900", "max_calls: 200")
WORDS = "`type: numeric_match` in reward.metrics would accept"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The toy experiment with sums as a data frame writes them: 3.0 where the model says 3."""
    config = write_experiment(tmp_path, TEXT)
    rows = [f"{a} + {b},{a + b}.0" for a in range(12) for b in range(12)]
    (tmp_path / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return config


def test_a_run_that_measures_nothing_says_so_everywhere(config: Path) -> None:
    """In the lines for programs, the result, the summary, the page, and what ``eval`` and ``show`` print."""
    runs = ("--runs-dir", config.parent / "runs")
    done = promptrl("train", config, *runs, "--json", "--fail-on", "not-improved")
    assert done.exit_code == 3
    events = [json.loads(line) for line in done.stdout.splitlines()]
    doubted = next(event for event in events if event["event"] == "measurement_doubted")
    assert (doubted["stage"], doubted["doubts"][0]["kind"]) == ("search", "same_score")
    assert 50 <= doubted["doubts"][0]["answers"] < 100
    result = only_result(config.parent)
    assert result["verdict"] == "inconclusive"
    run = config.parent / "runs/toy-0001"
    told = [(run / "report.html").read_text(), (run / "summary.md").read_text().replace("\\", "")]
    told.append(promptrl("runs", "show", run, *runs).stdout)
    for text in told:
        assert WORDS in " ".join(text.split())
        assert "Nothing beat your prompt" not in text
    assert " answers score 0 in exact_match" in " ".join(promptrl("eval", run, *runs).stdout.split())
    assert json.loads(promptrl("eval", run, *runs, "--json").stdout)["verdict"] == "inconclusive"


def test_a_log_says_it_once_while_the_search_goes_on(config: Path) -> None:
    """And once more with the verdict."""
    done = promptrl("train", config, "--runs-dir", config.parent / "runs")
    assert done.exit_code == 0
    assert done.stderr.count(WORDS) == 2
    assert done.stderr.index(f"{WORDS}") < done.stderr.index("Nothing could be measured") < done.stderr.rindex(WORDS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Let me think step by", "answers were cut off and score 0 on average, such as 'Let me think step by'"),
        ("", "answers have a fault and scored 0: "),
    ],
)
def test_answers_that_a_server_cuts_off_are_told_with_the_limit(content: str, words: str, tmp_path: Path) -> None:
    """With some text in them or none: a model that thinks first has no tokens left for the answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "length"}
    usage = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
    reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    text = TEXT.replace('type: python, function: "tests.servers.toy_model:answer"', "type: openai, model: m")
    config = write_experiment(tmp_path, text)
    with OpenAIServer(faults=repeat(Fault(200, reply))) as server:
        changes = changing("target.api_key_env=null", f"target.base_url={server.base_url}", "budget.max_calls=160")
        done = promptrl("train", config, "--runs-dir", tmp_path / "runs", *changes)
    assert done.exit_code == 0, done.stderr
    assert words in done.stderr.partition("Inconclusive")[0].partition("could be measured")[0]
    assert words in done.stderr.partition("could be measured")[2]
    assert "target.params.max_tokens" in done.stderr
    assert only_result(tmp_path)["verdict"] == "inconclusive"


def test_a_run_that_measures_says_nothing(tmp_path: Path) -> None:
    """Most prompts of the toy experiment score 0."""
    done = promptrl("train", write_experiment(tmp_path, TEXT), "--runs-dir", tmp_path / "runs", "--json")
    assert "measurement_doubted" not in done.stdout
    assert only_result(tmp_path)["doubts"] == []


def test_a_resumed_run_doubts_what_it_would_have_doubted(config: Path) -> None:
    """Answers from before the interruption count."""
    seen: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, MeasurementDoubted):
            raise StopRequestedError(2)

    components = build_components(load_config(config))
    whole = train(components, runs_dir=config.parent / "whole", observers=[seen.append])
    with pytest.raises(StopRequestedError):
        train(components, runs_dir=config.parent / "runs", observers=[stop])
    again: list[Event] = []
    resumed = resume(RunsFolder(config.parent / "runs").find("toy-0001"), observers=[again.append])
    assert resumed.result["doubts"] == whole.result["doubts"] != []
    assert _doubts(again) == _doubts(seen) != []


def _doubts(events: list[Event]) -> list[MeasurementDoubted]:
    return [event for event in events if isinstance(event, MeasurementDoubted)]
