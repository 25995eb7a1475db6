"""Kills training runs with -9 at random moments, resumes them, and counts what the server was asked twice.

    python -m tests.kills --kills 100 --quickstart
    python -m tests.kills --kills 20 --calls 1000
    python -m tests.kills --kills 20 --cache off
    python -m tests.kills --kills 20 --proposer

Each run is killed up to five times, at a random number of requests seen by the server or at a random time, and then
carried to its end. It fails when a result differs from that of an uninterrupted run, or when more questions were asked
again after a kill than were in flight. The questions go to a server in this process, which counts them: a toy model for
a toy experiment, or nano for configs/quickstart.yaml. With ``--proposer`` it also proposes edits of a text.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptrl.llm.base import Message
from promptrl.llm.engine.background import background_loop
from promptrl.llm.targets.local import LocalTarget
from tests.servers import toy_model
from tests.servers.openai_server import Chat, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
CONCURRENCY = 4
LATENCY_S = 0.02
MAX_KILLS_OF_A_RUN = 5
LONGEST_RUN_S = 600


Answer = Callable[[Chat, dict[str, Any]], str]


class Nano:
    """The model of the quickstart; a second time it answers from memory, as soon as a quick server would."""

    def __init__(self) -> None:
        self._target = LocalTarget("nano")
        self._known: dict[str, str] = {}

    def answer(self, messages: Chat, params: dict[str, Any]) -> str:
        """Answer at temperature 0."""
        question = json.dumps(messages)
        if question in self._known:
            time.sleep(LATENCY_S)
            return self._known[question]
        chat = tuple(Message(message["role"], message["content"]) for message in messages)
        asked = self._target.complete(chat, {name: params[name] for name in ("temperature", "max_tokens")})
        return self._known.setdefault(
            question, asyncio.run_coroutine_threadsafe(asked, background_loop()).result().text
        )


class Counting:
    """Answers like a model and counts what is asked again.

    Args:
        model: Gives the answers.

    Attributes:
        process: Which of several processes asks now.
        asked: Requests so far.
        lost: How many questions that a process had asked were asked again later, by process.
    """

    def __init__(self, model: Answer = toy_model.answer) -> None:
        self._model = model
        self.process = self.asked = 0
        self.lost: Counter[int] = Counter()
        self._last_asked: dict[str, int] = {}
        self._change = threading.Condition()

    def answer(self, messages: Chat, params: dict[str, Any]) -> str:
        """Answer, counted."""
        question = json.dumps([messages, params], sort_keys=True)
        with self._change:
            self.asked += 1
            if question in self._last_asked:
                self.lost[self._last_asked[question]] += 1
            self._last_asked[question] = self.process
            self._change.notify_all()
        return self._model(messages, params)

    def wait_for(self, asked: int, process: "subprocess.Popen[bytes]") -> None:
        """Return when so many requests have come, or the process has ended."""
        with self._change:
            while self.asked < asked and process.poll() is None:
                self._change.wait(0.05)


@dataclass(frozen=True)
class Killed:
    """What became of one run.

    Attributes:
        kills: How often it was killed.
        lost: The most questions that one of these kills made the server be asked again.
        result: Its result.json without what may differ.
    """

    kills: int
    lost: int
    result: dict[str, Any]


def toy_config(folder: Path, base_url: str, max_calls: int, cache: str = "deterministic") -> Path:
    """The toy experiment over HTTP."""
    text = CONFIG.replace("max_calls: 900", f"max_calls: {max_calls}") + f"cache: {{mode: {cache}}}\n"
    return write_experiment(folder, over_http(text, base_url, ""))


PROPOSED = {
    "add the two numbers": {
        "slot": "text.1",
        "op": "replace",
        "text": "Add the two numbers.",
        "hypothesis": "it looks",
    },
    "digits": {"slot": "rules", "op": "add", "text": "Give digits only.", "hypothesis": "words are wrong"},
    "chatty": {"slot": "rules", "op": "add", "text": "Be chatty, like a pirate.", "hypothesis": "it is dry"},
    "time": {"slot": "rules", "op": "add", "text": "Take your time.", "hypothesis": "it hurries"},
}


def proposing_model(messages: Chat, params: dict[str, Any]) -> str:
    """The toy model, which is asked for edits too: it proposes two that were not tried yet, then nonsense."""
    if not messages[0]["content"].startswith("You improve the prompt"):
        return toy_model.answer(messages, params)
    left = [edit for edit in PROPOSED.values() if edit["text"] not in messages[1]["content"]]
    return json.dumps(left[:2]) if left else "That is all."


def proposing_config(folder: Path, base_url: str, max_calls: int, cache: str = "deterministic") -> Path:
    """The toy experiment with a plain text and a proposer, both over HTTP."""
    text = CONFIG.replace("max_calls: 900", f"max_calls: {max_calls}") + f"cache: {{mode: {cache}}}\n"
    slots = text[text.index("  slots:") : text.index("edits:")]
    text = text.replace(slots, "  text: Look at this. Mind the signs.\n")
    text = text.replace("edits: {bank: none}", "edits: {bank: none, rewrite: {rounds: 4, keep: 2}}")
    text = text.replace("rows_per_prompt: 4", "rows_per_prompt: 4, imagined_steps: 16")
    return write_experiment(folder, over_http(text, base_url, ""))


def quickstart_config(folder: Path, base_url: str) -> Path:
    """The quickstart over HTTP, everything else as it ships."""
    config = folder / "quickstart.yaml"
    params = "params: {temperature: 0, max_tokens: 48}"
    text = QUICKSTART.read_text()
    assert params in text
    config.write_text(over_http(text, base_url, f", {params}"))
    return config


def over_http(text: str, base_url: str, more: str) -> str:
    """A config with a server as its target."""
    fields = f"type: openai, model: m, base_url: '{base_url}', api_key_env: null, concurrency: {CONCURRENCY}{more}"
    return text[: text.index("target:")] + f"target: {{{fields}}}" + text[text.index("\nprompt:") :]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start promptrl in a process of its own."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "promptrl", *arguments]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def start_or_resume(folder: Path, config: Path) -> "subprocess.Popen[bytes]":
    """Resume the run; train if it was killed before it had a config of its own."""
    if list((folder / "runs").glob("*/run.json")):
        return start(folder, "resume", "latest")
    return start(folder, "train", str(config))


def result_of(folder: Path) -> dict[str, Any]:
    """The result without what may differ between two runs of one seed."""
    (path,) = (folder / "runs").glob("*/result.json")
    result: dict[str, Any] = json.loads(path.read_text())
    for key in ("run_id", "wall_s", "cost_usd", "tokens", "engine"):
        del result[key]
    del result["calls"]["paid"], result["calls"]["cached"]
    return result


def finish(folder: Path, config: Path) -> dict[str, Any]:
    """Carry a run to its end."""
    process = start_or_resume(folder, config)
    code = process.wait(LONGEST_RUN_S)
    assert code == 0, (folder / "log.txt").read_text()
    return result_of(folder)


def kill_and_resume(folder: Path, config: Path, server: Counting, kills: int, total: int, rng: random.Random) -> Killed:
    """Kill one run again and again, then let it end.

    Args:
        folder: Where it runs.
        config: What it trains.
        server: Counts its questions; nobody has asked it before.
        kills: How often to kill.
        total: Questions that an uninterrupted run asks.
        rng: Draws the moments.
    """
    done = 0
    for _ in range(kills):
        process = start_or_resume(folder, config)
        if rng.random() < 0.8:
            server.wait_for(server.asked + rng.randint(1, max(2, 3 * total // (2 * kills))), process)
            time.sleep(rng.choice([0.0, rng.random() / 20]))
        else:
            time.sleep(rng.random() * 4)
        process.kill()
        if process.wait() == 0:
            break
        done += 1
        server.process += 1
    result = finish(folder, config) if not list((folder / "runs").glob("*/result.json")) else result_of(folder)
    return Killed(done, max(server.lost.values(), default=0), result)


def main() -> int:
    """Kill until the number is reached; exit code 1 when something was paid for twice or came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--calls", type=int, default=400, help="calls of the toy experiment")
    parser.add_argument("--cache", choices=["deterministic", "all", "off"], default="deterministic", help="of the toy")
    parser.add_argument("--quickstart", action="store_true", help="the quickstart instead, with nano behind the server")
    parser.add_argument("--proposer", action="store_true", help="propose edits of a text, too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    model = Nano().answer if options.quickstart else proposing_model if options.proposer else toy_model.answer
    write_toy = proposing_config if options.proposer else toy_config

    def write_config(folder: Path, base_url: str) -> Path:
        return (
            quickstart_config(folder, base_url)
            if options.quickstart
            else write_toy(folder, base_url, options.calls, options.cache)
        )

    kills = runs = worst = 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        counting = Counting(model)
        with OpenAIServer(counting.answer) as server:
            expected = finish(whole, write_config(whole, server.base_url))
        total = counting.asked
        print(f"uninterrupted: {total} requests, {counting.lost.total()} asked again", flush=True)  # noqa: T201 - a script
        while kills < options.kills:
            folder = Path(place) / f"run-{runs}"
            folder.mkdir()
            counting = Counting(model)
            with OpenAIServer(counting.answer) as server:
                config = write_config(folder, server.base_url)
                wanted = min(MAX_KILLS_OF_A_RUN, options.kills - kills)
                killed = kill_and_resume(folder, config, counting, wanted, total, rng)
            kills, runs, worst = kills + killed.kills, runs + 1, max(worst, killed.lost)
            is_same = killed.result == expected
            print(  # noqa: T201 - a script
                f"run {runs}: {killed.kills} kills, {counting.lost.total()} of {counting.asked} asked again "
                f"(at most {killed.lost} by one kill), result {'the same' if is_same else 'DIFFERS'}",
                flush=True,
            )
            if not is_same or killed.lost > CONCURRENCY:
                differing = [key for key in expected if killed.result.get(key) != expected[key]]
                print({key: (expected[key], killed.result.get(key)) for key in differing})  # noqa: T201 - a script
                return 1
    print(f"{kills} kills of {runs} runs; at most {worst} asked again by one kill, {CONCURRENCY} in flight")  # noqa: T201 - a script
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
