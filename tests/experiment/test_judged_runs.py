"""A run whose answers are graded by a model of its own: asked at its server, counted, checked before a call is paid."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from promptrl.config.moving import moved
from promptrl.runs.folder import CONFIG_NAME
from tests.commandline import changing, only_result, promptrl
from tests.servers.openai_server import Chat, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

ANSWER = re.compile(r"<<<answer ([0-9a-f]{12})\n(.*)\nanswer \1>>>", re.DOTALL)
REFERENCE = re.compile(r"<<<known good answer ([0-9a-f]{12})\n(.*)\nknown good answer \1>>>", re.DOTALL)


def judge(messages: Chat, params: dict[str, Any]) -> str:
    """Full points for the known good answer, some for one that has it in it."""
    user = messages[-1]["content"]
    answer, reference = (pattern.search(user) for pattern in (ANSWER, REFERENCE))
    assert answer is not None
    assert reference is not None
    if answer[2] == reference[2]:
        return '{"reason": "says just that", "score": 5}'
    is_there = re.search(rf"\b{reference[2]}\b", answer[2])
    return json.dumps({"reason": "wordy" if is_there else "wrong", "score": 3 if is_there else 1})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """The judge, on loopback."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with OpenAIServer(judge) as served:
        yield served


def judged(folder: Path, base_url: str, more: str = "") -> Path:
    """A config whose metric asks the judge at that address."""
    block = f'{{type: openai, model: fair, base_url: "{base_url}", api_key_env: null, params: {{max_tokens: 99}}}}'
    metric = f"{{type: judge, rubric: correctness, judge: {block}{more}}}"
    return write_experiment(folder, CONFIG.replace("{type: exact_match}", metric))


def train(folder: Path, config: Path, *changes: str) -> dict[str, Any]:
    """Train and give back the result."""
    done = promptrl("train", config, "--runs-dir", folder / "runs", *changing(*changes))
    assert done.exit_code == 0, done.stderr
    return only_result(folder)


def test_a_judge_at_a_server_of_its_own_leads_to_a_better_prompt(tmp_path: Path, server: OpenAIServer) -> None:
    """It gets its own model's name and parameters; its calls are its share; its reasons stand with the outcomes."""
    result = train(tmp_path, judged(tmp_path, server.base_url), "algorithm={name: random}")
    assert result["verdict"] == "improved"
    assert {k: server.requests[0].body[k] for k in ("model", "max_tokens")} == {"model": "fair", "max_tokens": 99}
    assert 0 < len(server.requests) <= result["calls"]["judge"] <= 474
    outcomes = [json.loads(line) for line in (tmp_path / "runs/toy-0001/outcomes.jsonl").read_text().splitlines()]
    assert {outcome["reason"] for outcome in outcomes} == {"", "3 of 5: wordy", "1 of 5: wrong"}
    assert {outcome["score"] for outcome in outcomes} == {0.0, 0.5, 1.0}
    asked = len(server.requests)
    evaluated = promptrl("eval", "toy-0001", "--split", "test", "--runs-dir", tmp_path / "runs", "--json")
    assert json.loads(evaluated.stdout)["winner"]["test"]["score"] == result["winner"]["test"]["score"]
    assert len(server.requests) == asked, "what the cache has kept is not asked again"


def choose(messages: Chat, params: dict[str, Any]) -> str:
    """The better of two answers is the one that says the sum and nothing else."""
    user = messages[-1]["content"]
    first, second = (part.split("\n")[1] for part in user.split("<<<")[-2:])
    reference = REFERENCE.search(user)
    assert reference is not None
    right = [answer == reference[2] for answer in (first, second)]
    return json.dumps({"better": "equal" if right[0] == right[1] else "first" if right[0] else "second"})


def test_a_winner_is_better_than_the_baseline_in_direct_comparison(tmp_path: Path) -> None:
    """The baseline ties with itself; it is asked once for a row, however many answers it is compared with."""
    with OpenAIServer(choose) as server:
        result = train(tmp_path, judged(tmp_path, server.base_url, ", against: baseline"), "algorithm={name: random}")
    assert result["verdict"] == "improved"
    assert result["baseline"]["test"]["score"] == 0.5
    assert result["winner"]["test"]["score"] > 0.7
    assert result["calls"]["judge"] <= 3 * (result["calls"]["total"] - result["calls"]["judge"])


def test_a_comparison_needs_a_baseline_whose_answers_are_kept(tmp_path: Path) -> None:
    """At a temperature each ask would bring another answer to compare with, unless the cache keeps the first."""
    config = judged(tmp_path, "http://127.0.0.1:9/v1", ", against: baseline")
    done = promptrl("validate", config, *changing("target.params.temperature=1"))
    assert done.exit_code == 2
    assert "cache.mode: all" in " ".join(done.stderr.split())
    assert promptrl("validate", config, *changing("target.params.temperature=1", "cache.mode=all")).exit_code == 0


def test_the_calls_of_repeats_are_planned(tmp_path: Path, server: OpenAIServer) -> None:
    """Three to an answer are three quarters of the calls, beside those to check the judge; nobody is asked."""
    done = promptrl("plan", judged(tmp_path, server.base_url, ", repeats: 3"), "--json")
    bound = json.loads(done.stdout)
    assert bound["calls"]["judge"] == 8 * 3 * 2 * 3 + 567
    limited = promptrl("plan", tmp_path / "toy.yaml", "--json", *changing("target.requests_per_minute=10"))
    assert json.loads(limited.stdout)["minutes_at_limit"] == (900 - bound["calls"]["judge"]) / 10
    assert server.requests == []


def test_dollars_can_not_be_limited_without_the_price_of_the_judge(tmp_path: Path, server: OpenAIServer) -> None:
    """The target costs nothing; the judge's price is not known."""
    config = judged(tmp_path, server.base_url)
    price = "target.price={input_per_million: 0, output_per_million: 0}"
    done = promptrl("validate", config, *changing("budget.max_usd=1", price))
    assert done.exit_code == 2
    assert "reward.metrics.0.judge.price" in done.stderr.replace("\n", "")


def test_a_judge_without_its_key_is_told_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first call, and not as if the target lacked it."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    block = "{type: openai, model: m, api_key_env: NO_SUCH_KEY}"
    metric = f"{{type: judge, rubric: fluency, judge: {block}}}"
    config = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", metric))
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 2
    assert "reward.metrics.0.judge.api_key_env" in done.stderr.replace("\n", "")
    assert not (tmp_path / "runs").exists()


def test_nano_is_no_judge(tmp_path: Path) -> None:
    """The bundled model knows its drills and nothing else; another target may judge itself."""
    metric = "{type: judge, rubric: fluency}"
    config = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", metric))
    assert promptrl("validate", config).exit_code == 0
    config.write_text(re.sub(r"target: \{.*\}", "target: {type: local}", config.read_text()))
    done = promptrl("validate", config)
    assert done.exit_code == 2
    assert "nano, which can't judge" in " ".join(done.stderr.split())


def test_logged_answers_of_a_judge_lie_beside_the_config(tmp_path: Path) -> None:
    """A path in a judge's block is relative to the config, also in the copy that the run keeps."""
    block = "{type: replay, path: said.jsonl}"
    metric = f"{{type: judge, rubric: fluency, judge: {block}}}"
    config = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", metric))
    (tmp_path / "said.jsonl").write_text(
        json.dumps({"messages": [{"role": "user", "content": "?"}], "completion": "5"}) + "\n"
    )
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 4, done.stderr
    assert "path: ../said.jsonl" in moved(load_config(config), tmp_path / "far")
    assert str(tmp_path / "said.jsonl") in (tmp_path / "runs/toy-0001" / CONFIG_NAME).read_text()


def lenient(messages: Chat, params: dict[str, Any]) -> str:
    """Full points for everybody."""
    return '{"reason": "lovely", "score": 5}'


def test_a_judge_that_passes_everything_is_refused_before_the_target_is_asked(tmp_path: Path) -> None:
    """Exit 2 names what it passed and the way out; not one answer of the target was paid for."""
    with OpenAIServer(lenient) as server:
        config = judged(tmp_path, server.base_url)
        done = promptrl("train", config, "--runs-dir", tmp_path / "runs", "--json")
        assert done.exit_code == 2
        assert len(server.requests) == 48
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["run_started", "judge_checked", "run_failed"]
    faults = ["passes a blank answer in 16 of 16 verdicts", "passes the answer to another row in 16 of 16 verdicts"]
    assert events[1]["check"]["faults"] == faults
    assert events[1]["check"]["verdicts"]["reference"] == [0, 16]
    assert "check: warn goes on all the same" in events[2]["error"]
    assert not (tmp_path / "runs/toy-0001/outcomes.jsonl").read_text()


def test_a_judge_that_fails_its_check_may_judge_all_the_same_if_told_so(tmp_path: Path) -> None:
    """With `warn` it is told, with `off` not even asked."""
    with OpenAIServer(lenient) as server:
        done = promptrl("plan", judged(tmp_path, server.base_url, ", check: off"), "--json")
        assert json.loads(done.stdout)["calls"]["judge"] == 450
        config = judged(tmp_path, server.base_url, ", check: warn")
        short = changing("algorithm={name: random}", "budget.max_calls=310")
        done = promptrl("train", config, "--runs-dir", tmp_path / "runs", *short)
    assert done.exit_code == 0, done.stderr
    assert "warning the judge passes a blank" in " ".join(done.stderr.split())


def test_doctor_tests_the_judge(tmp_path: Path, server: OpenAIServer) -> None:
    """What it makes of what is known; one that fails ends the command with 2."""
    done = promptrl("doctor", judged(tmp_path, server.base_url, ", labels: {answers: question, verdicts: sum}"))
    assert done.exit_code == 2, "sums are no verdicts"
    done = promptrl("doctor", judged(tmp_path, server.base_url))
    assert done.exit_code == 0, done.stderr
    shown = " ".join((done.stdout + done.stderr).split())
    assert (
        "the judge: reference 16 of 16 right; blank 16 of 16 right; another 16 of 16 right; asked again it says"
        in shown
    )
    with OpenAIServer(lenient) as other:
        assert promptrl("doctor", judged(tmp_path, other.base_url)).exit_code == 2


def test_a_resumed_run_pays_for_no_check_twice(tmp_path: Path) -> None:
    """Where no cache keeps what the judge said either."""
    blank: list[str] = []

    def breaking(messages: Chat, params: dict[str, Any]) -> str:
        blank.extend(re.findall(r"<<<answer \w+\n\nanswer", messages[-1]["content"]))
        return judge(messages, params)

    with OpenAIServer(breaking) as server:
        config = judged(tmp_path, server.base_url)
        changes = changing("algorithm={name: random}", "budget.max_calls=340", "cache.mode=off")
        (tmp_path / "broken.py").write_text("def answer(messages, params):\n    raise RuntimeError('not today')\n")
        broken = changing("target.function=broken:answer", "target.max_retries=0")
        done = promptrl("train", config, "--runs-dir", tmp_path / "runs", *changes, *broken)
        assert done.exit_code == 4, done.stderr
        assert len(blank) == 16
        source = "from tests.servers.toy_model import answer\n"
        (tmp_path / "broken.py").write_text(source)
        sys.modules.pop("broken", None)
        done = promptrl("resume", "toy-0001", "--runs-dir", tmp_path / "runs")
        assert done.exit_code == 0, done.stderr
    assert len(blank) == 16
    assert only_result(tmp_path)["calls"]["judge"] > 48


def test_an_endpoint_for_embeddings_is_asked_through_engine_cache_and_budget(tmp_path: Path) -> None:
    """Equal texts are embedded once; the calls are the judge's share; a trap at its chat endpoint is never asked."""

    def embed(text: str) -> list[float]:
        return [float(text.count(digit)) for digit in "0123456789"] + [float(len(text))]

    with OpenAIServer(embed=embed) as server:
        metric = f'{{type: similarity, embeddings: {{model: e, base_url: "{server.base_url}", api_key_env: null}}}}'
        config = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", metric))
        result = train(tmp_path, config, "algorithm={name: random}", "budget.max_calls=400")
    assert {request.path for request in server.requests} == {"/v1/embeddings"}
    texts = [request.body["input"] for request in server.requests]
    assert len(texts) == len(set(texts)) < result["calls"]["judge"]
    assert result["winner"]["test"]["score"] >= result["baseline"]["test"]["score"]


def test_a_key_in_the_block_of_an_endpoint_is_refused(tmp_path: Path) -> None:
    """As in the target's."""
    metric = "{type: similarity, embeddings: {model: e, api_key: sk-abcdefghijklmnopqrstuv}}"
    done = promptrl("validate", write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", metric)))
    assert done.exit_code == 2
    assert "put it into an environment variable" in " ".join(done.stderr.split())
    assert "abcdefghijkl" not in done.stderr


def test_nano_reads_what_a_model_writes(tmp_path: Path) -> None:
    """The bundled model is asked beside the target; reading costs no dollar and no completion token."""
    text = CONFIG.replace("{type: exact_match}", "{type: exact_match}, {type: fluency, weight: 0.1}")
    result = train(tmp_path, write_experiment(tmp_path, text), "algorithm={name: random}", "budget.max_calls=270")
    outcomes = [json.loads(line) for line in (tmp_path / "runs/toy-0001/outcomes.jsonl").read_text().splitlines()]
    assert result["calls"]["judge"] == sum(len(outcome.get("judged", ())) for outcome in outcomes) > 0
    assert all(0 <= outcome["scores"]["fluency"] <= 1 for outcome in outcomes)
    assert any(outcome.get("reasons", {}).get("fluency", "").startswith("perplexity") for outcome in outcomes)
