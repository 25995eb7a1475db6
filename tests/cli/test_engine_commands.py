"""``plan``, ``doctor`` and ``cache``: what a run can cost, what its target is like, what is kept."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.storing import store
from promptrl.config import load_config
from promptrl.console import show_cost_bound
from promptrl.experiment.build import build_components
from promptrl.experiment.cost_bound import cost_bound, longest_prompt, prompt_bound
from promptrl.llm.base import Completion
from promptrl.llm.engine.cache import Cache
from tests.commandline import promptrl
from tests.servers import toy_model
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

PRICE = "target.price={input_per_million: 1, output_per_million: 10}"


def serve_config(folder: Path, server: OpenAIServer, target: str = "") -> Path:
    """The toy experiment over HTTP."""
    start, end = CONFIG.index("target: "), CONFIG.index("\nprompt:")
    block = f"target: {{type: openai, model: toy, base_url: '{server.base_url}', api_key_env: null{target}}}"
    return write_experiment(folder, CONFIG[:start] + block + CONFIG[end:])


def test_plan_bounds_what_a_run_can_cost(tmp_path: Path) -> None:
    """Calls times the longest prompt within reach and the longest answer; a run stays below it."""
    config = write_experiment(tmp_path)
    done = promptrl("plan", config, "--json", "-s", PRICE)
    assert done.exit_code == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["calls"]["total"] == 900 == sum(plan["calls"].values()) - 900
    longest = "You are a pirate. Reply with digits only. Add the numbers. Be chatty."
    assert len(longest) <= plan["longest_prompt_tokens"] <= len(longest) + 2 * 8 + len("11 + 11") + 10
    assert plan["completion_tokens"] == 900 * 8
    assert plan["cost_usd"] == pytest.approx((plan["prompt_tokens"] + 10 * plan["completion_tokens"]) / 1e6)
    assert not (tmp_path / "runs").exists()


def test_plan_says_what_a_run_will_probably_cost(tmp_path: Path) -> None:
    """Calls times what the baseline takes on the mean row, with answers as long as the known ones and to the limit."""
    config = write_experiment(tmp_path)
    plan = json.loads(promptrl("plan", config, "--json", "-s", PRICE).stdout)
    likely = plan["likely"]
    baseline = "Add the numbers.11 + 11"
    assert len(baseline) / 4 - 1 <= likely["prompt_tokens"] <= (len(baseline) + 2 * 8) / 4 + 1
    assert (likely["least_answer_tokens"], likely["most_answer_tokens"]) == (1, 8)
    for name in ("least", "most"):
        expected = 900 * (likely["prompt_tokens"] + 10 * likely[f"{name}_answer_tokens"]) / 1e6
        assert likely[f"{name}_usd"] == pytest.approx(expected)
    assert likely["most_usd"] < plan["cost_usd"]
    said = " ".join(promptrl("plan", config, "-s", PRICE).stdout.split())
    assert "and 1 to 8 out: as long as the known answers, to the limit" in said
    unknown = json.loads(promptrl("plan", config, "--json").stdout)["likely"]
    assert (unknown["least_usd"], unknown["most_usd"]) == (None, None)


def test_plan_says_it_in_words(tmp_path: Path) -> None:
    """With the limits that hold in any case; an unknown price stays unknown."""
    config = write_experiment(tmp_path)
    done = promptrl("plan", config, "-s", "budget.max_minutes=7")
    assert done.exit_code == 0, done.stderr
    assert "cost unknown" in done.stdout
    assert "budget.max_minutes 7" in done.stdout
    limited = promptrl("plan", config, "-s", PRICE, "-s", "budget.max_usd=0.001", "-s", "target.requests_per_minute=90")
    assert "$0.0010" in limited.stdout
    assert "at least 10.0 minutes" in limited.stdout
    broken = promptrl("plan", config, "-s", "budget.max_calls=3")
    assert broken.exit_code == 2


def test_tokens_of_what_metrics_ask_are_not_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows them beforehand, and no price makes the cost known."""
    components = build_components(load_config(write_experiment(tmp_path)))
    asking = replace(components, plan=replace(components.plan, beside={"judge": 50}))
    show_cost_bound(tmp_path / "toy.yaml", cost_bound(asking), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    (judge,) = [line.split() for line in lines if line.split()[:1] == ["judge"]]
    assert judge == ["judge", "50", "?", "?"]
    assert "cost unknown (metrics ask models" in " ".join(" ".join(lines).split())


def test_the_longest_prompt_is_the_longest_of_all(tmp_path: Path) -> None:
    """By looking at every prompt of the space."""
    components = build_components(load_config(write_experiment(tmp_path)))
    rows = components.splits.test[:1]
    found = prompt_bound(longest_prompt(components.space, rows[0]), rows)
    assert found == max(prompt_bound(prompt, rows) for prompt in components.space.enumerate())
    assert cost_bound(components).longest_prompt_tokens >= found


def test_doctor_reports_what_a_target_is_like(tmp_path: Path) -> None:
    """Two questions; the new name of max_tokens is noticed, tokens and costs are told."""
    renamed = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    with OpenAIServer(toy_model.answer, [Fault(400, {"error": {"message": renamed}})]) as server:
        config = serve_config(tmp_path, server, ", params: {max_tokens: 8, seed: 1}")
        done = promptrl("doctor", config, "--json", "-s", PRICE)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(server.requests) == 3
    assert found["answer"] == "a fine question"
    assert found["is_deterministic"]
    assert sorted(found["accepted"]) == ["max_completion_tokens", "seed", "temperature"]
    assert found["cost_usd"] == pytest.approx((found["prompt_tokens"] + 10 * found["completion_tokens"]) / 1e6)
    assert found["price"] == [1, 10]
    assert not (tmp_path / "runs").exists()


def test_doctor_gives_advice(tmp_path: Path) -> None:
    """A server without usage whose answers differ at temperature 0."""
    answers = iter(["one", "two"])
    with OpenAIServer(lambda *_: next(answers), has_usage=False) as server:
        done = promptrl("doctor", serve_config(tmp_path, server))
    assert done.exit_code == 0, done.stderr
    for part in ("same answer twice: no", "two answers at temperature 0", "reports no tokens", "give target.price"):
        assert part in done.stdout


@pytest.mark.parametrize("fault", [Fault(401), Fault(500)], ids=["refused", "down"])
def test_doctor_fails_with_the_exit_code_of_a_run(tmp_path: Path, fault: Fault) -> None:
    """And says what the server said."""
    with OpenAIServer(faults=[fault] * 9) as server:
        done = promptrl("doctor", serve_config(tmp_path, server))
    assert done.exit_code == 4
    assert str(fault.status) in done.stderr


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs folder with a cache of two answers."""
    with Cache(tmp_path / "runs/.cache.sqlite") as cache:
        store(cache, {"a": Completion("first\ud800"), "b": Completion("second", 3, 4)})
    return tmp_path / "runs"


def test_cache_stats_count(runs: Path) -> None:
    """For people and for programs, by folder or by file."""
    assert "answers: 2" in promptrl("cache", "stats", "--runs-dir", runs).stdout
    data = json.loads(promptrl("cache", "stats", "--path", runs / ".cache.sqlite", "--json").stdout)
    assert data["answers"] == 2
    assert data["oldest"].endswith("+00:00")


def test_cache_export_writes_lines(runs: Path, tmp_path: Path) -> None:
    """To stdout or a file, every answer with its key."""
    printed = [json.loads(line) for line in promptrl("cache", "export", "--runs-dir", runs).stdout.splitlines()]
    assert [(row["key"], row["text"]) for row in printed] == [("a", "first\ud800"), ("b", "second")]
    done = promptrl("cache", "export", tmp_path / "out.jsonl", "--runs-dir", runs)
    assert done.exit_code == 0
    assert "Wrote 2 answers to" in done.stderr
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == printed
    assert promptrl("cache", "export", tmp_path / "no/such", "--runs-dir", runs).exit_code == 2


def test_cache_clear_asks_first(runs: Path) -> None:
    """Nobody to answer is a no; --yes needs no answer."""
    assert promptrl("cache", "clear", "--runs-dir", runs).exit_code == 2
    assert "answers: 2" in promptrl("cache", "stats", "--runs-dir", runs).stdout
    assert "2 answers" in promptrl("cache", "clear", "--yes", "--runs-dir", runs).stderr
    assert "answers: 0" in promptrl("cache", "stats", "--runs-dir", runs).stdout


@pytest.mark.parametrize("command", [("stats",), ("export",), ("clear", "--yes")])
def test_a_command_leaves_a_file_alone_that_is_no_cache(tmp_path: Path, command: tuple[str, ...]) -> None:
    """It may be anybody's database: it is not renamed, as it would be where a run needs a cache, nor emptied."""
    file = tmp_path / "songs.sqlite"
    with closing(sqlite3.connect(file)) as songs:
        songs.execute("CREATE TABLE answers (key TEXT)")
        songs.commit()
    content = file.read_bytes()
    done = promptrl("cache", *command, "--path", file)
    assert (done.exit_code, "not a promptrl cache" in " ".join(done.stderr.split())) == (2, True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_damaged_cache_is_a_usage_error(runs: Path) -> None:
    """For the commands about it; a run sets it aside."""
    with Cache(runs / ".cache.sqlite") as cache:
        store(cache, {str(n): Completion("x" * 1000) for n in range(100)})
    content = bytearray((runs / ".cache.sqlite").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (runs / ".cache.sqlite").write_bytes(content)
    done = promptrl("cache", "stats", "--runs-dir", runs)
    assert (done.exit_code, "can't be used" in done.stderr) == (2, True)


@pytest.mark.parametrize("in_the_way", ["-shm", ".lock"])
def test_a_cache_that_cant_be_opened_is_told_as_that(runs: Path, in_the_way: str) -> None:
    """As in a folder that may not be written to: it is still a cache."""
    (runs / f".cache.sqlite{in_the_way}").unlink(missing_ok=True)
    (runs / f".cache.sqlite{in_the_way}").mkdir()
    done = promptrl("cache", "stats", "--runs-dir", runs)
    assert (done.exit_code, f"{runs / '.cache.sqlite'} can't be opened" in done.stderr) == (2, True)


def test_a_cache_set_aside_by_a_run_is_told_in_a_line(tmp_path: Path) -> None:
    """Without the line of code that warns, and the run goes on."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/.cache.sqlite").write_bytes(b"no database" * 500)
    with OpenAIServer(toy_model.answer) as server:
        command = [
            sys.executable,
            "-m",
            "promptrl",
            "train",
            str(serve_config(tmp_path, server)),
            "-s",
            "budget.max_calls=140",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "bad-1" in line]
    assert line.startswith("warning cache ")
    assert "UserWarning" not in done.stderr


def test_a_cache_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking at it is a usage error."""
    done = promptrl("cache", "stats", "--runs-dir", tmp_path)
    assert done.exit_code == 2
    assert not list(tmp_path.iterdir())
