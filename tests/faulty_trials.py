"""Kills training runs whose server fails in every way, and counts what they cost beyond their limits.

    python -m tests.faulty_trials --trials 300 --workers 4

Each trial is a run of ``random`` under a limit of calls, tokens or dollars that pays for 100 to 300 calls, against a
real HTTP server on loopback: up to half of its replies are failures, connections that break or hang, bodies that are no
answer, or answers with a usage that can't be. The run is killed with -9 at up to three random moments and resumed until
it ends. What an attempt could cost is billed where the server does not say; an error is billed nothing. Exit code 1
when a limit was passed, an answer that was kept is lost, or more answers were paid for again than were in flight at a
kill.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from promptrl.llm.base import Message
from promptrl.llm.engine.reservations import prompt_token_bound
from tests.servers import toy_model
from tests.servers.openai_server import UNAVAILABLE, Chat, Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

CONCURRENCY = 4
ROWS = 60
MOST_STARTS = 12
MAX_TOKENS = 8
INPUT_USD, OUTPUT_USD = 2.0, 8.0
"""Per million tokens."""
USUAL_TOKENS = 45
LIMITS = ("calls", "tokens", "usd", "all")
PROCESSES = multiprocessing.get_context("forkserver")


def _reply(usage: object) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "7"}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


_UPSTREAM = {"choices": [{"index": 0, "message": {"content": ""}, "error": {"code": 502}, "finish_reason": "error"}]}
_PAUSE = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}
FAILURES = (
    *UNAVAILABLE,
    Fault(429, [{"error": {"code": 429, "message": "You exceeded your current quota", "details": [_PAUSE]}}]),
    Fault(200, "[" * 200_000),
    Fault(200, {**_reply(None), "choices": []}, {"Content-Type": "application/json; charset=idna"}),
    Fault(200, _UPSTREAM),
    Fault(200, {"error": {"code": 503, "message": "no upstream"}, "choices": None}),
)
"""No answer: asked again."""
HANG = Fault(kind="hang")
COUNTS = ("many", -5, 10**400, None, True, 1e308)
STRANGE_ANSWERS = (
    *(Fault(200, _reply({"prompt_tokens": count, "completion_tokens": 1})) for count in COUNTS),
    *(Fault(200, _reply(usage)) for usage in (None, [], "free")),
    Fault(400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
)
"""Answers all the same: without a usage that can be, or refused for their content."""


@dataclass(frozen=True)
class Trial:
    """What became of one run.

    Attributes:
        limit: What was limited.
        kills: How often it was killed.
        attempts: Requests that the server saw.
        code: With which the run ended.
        spent: Part of the binding limit that was spent.
        over: Calls, tokens or dollars beyond their limits, as parts of them.
        lost: Answers that the run folder had at a kill and has no more.
        again: Answers asked again though no kill can have lost them.
        lost_in_flight: Answers that kills made it ask again.
    """

    limit: str
    kills: int
    attempts: int
    code: int
    spent: float
    over: float
    lost: int
    again: int
    lost_in_flight: int

    @property
    def is_right(self) -> bool:
        """Whether no limit was passed, nothing lost and nothing paid twice; 5: the limit paid for no verdict."""
        return self.code in (0, 5) and self.over <= 1e-9 and not self.lost and not self.again


class Biller:
    """Draws what the server does, and keeps what every request was billed.

    Args:
        rng: Draws.
        fault_share: Of the requests.

    Attributes:
        process: How many processes of the run were killed.
    """

    def __init__(self, rng: random.Random, fault_share: float) -> None:
        self._rng = rng
        self._fault_share = fault_share
        self.process = 0
        self.drawn: list[tuple[int, Fault | None]] = []

    def faults(self) -> Iterator[Fault | None]:
        """What becomes of one request after the other."""
        while True:
            fault = self._draw() if self._rng.random() < self._fault_share else None
            self.drawn.append((self.process, fault))
            yield fault

    def _draw(self) -> Fault:
        kind = self._rng.random()
        if kind < 0.005:
            return HANG
        return self._rng.choice(STRANGE_ANSWERS if kind < 0.3 else FAILURES)

    def billed(self, server: OpenAIServer) -> tuple[int, float]:
        """Tokens and dollars of all requests."""
        prompts = answers = 0
        for request, (_, fault) in zip(server.requests, self.drawn, strict=False):
            prompt, answer = billed_tokens(request.body["messages"], fault)
            prompts, answers = prompts + prompt, answers + answer
        return prompts + answers, (prompts * INPUT_USD + answers * OUTPUT_USD) / 1e6

    def asked_again(self, server: OpenAIServer) -> tuple[int, int]:
        """Questions asked again after an answer: those that no kill explains, and those that were in flight at one."""
        answered_in: dict[str, int] = {}
        in_flight: Counter[int] = Counter()
        again = 0
        for request, (process, fault) in zip(server.requests, self.drawn, strict=False):
            question = json.dumps(request.body, sort_keys=True)
            if question in answered_in and answered_in[question] == process:
                again += 1
            elif question in answered_in:
                in_flight[answered_in.pop(question)] += 1
            if fault is None or fault in STRANGE_ANSWERS:
                answered_in[question] = process
        return again + sum(max(0, count - CONCURRENCY) for count in in_flight.values()), in_flight.total()


def told_usage(messages: Chat, _: str) -> tuple[int, int]:
    """Tokens that the server tells and bills; the same for the same question."""
    number = zlib.crc32(json.dumps(messages).encode())
    return number % (_most_prompt_tokens(messages) + 1), number // 7 % (MAX_TOKENS + 1)


def billed_tokens(messages: Chat, fault: Fault | None) -> tuple[int, int]:
    """Prompt and completion tokens that a request is billed: the most that there can be where nobody is told."""
    if fault is None:
        return told_usage(messages, "")
    if fault.kind == "reply" and (fault.status != 200 or fault.body in (_UPSTREAM, FAILURES[-1].body)):
        return 0, 0
    return _most_prompt_tokens(messages), MAX_TOKENS


def _most_prompt_tokens(messages: Chat) -> int:
    return prompt_token_bound([Message(message["role"], message["content"]) for message in messages])


def _promptrl(folder: Path, *arguments: str) -> None:
    """The command in a process of its own, with short pauses before retries."""
    from promptrl.cli import main
    from promptrl.llm.engine import attempts

    os.chdir(folder)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    attempts._BACKOFF_S = attempts._RATE_LIMIT_BACKOFF_S = 0.01
    sys.argv = ["promptrl", *arguments]
    main()


class Run:
    """One training run under a limit, in as many processes as it takes.

    Args:
        folder: Where it runs.
        server: Whom it asks.
        limits: Overrides of the budget.
        cache: The mode of its cache.
    """

    def __init__(self, folder: Path, server: OpenAIServer, limits: dict[str, float], cache: str) -> None:
        self._folder = folder
        target = (
            f"target: {{type: openai, model: m, base_url: '{server.base_url}', api_key_env: null, timeout_s: 5, "
            f"max_retries: 20, concurrency: {CONCURRENCY}, params: {{temperature: 0, max_tokens: {MAX_TOKENS}}}, "
            f"price: {{input_per_million: {INPUT_USD}, output_per_million: {OUTPUT_USD}}}}}"
        )
        text = CONFIG.replace("name: maskable_ppo, n_envs: 4, ", "name: random, ")
        text = text[: text.index("target:")] + target + text[text.index("\nprompt:") : text.index("budget:")]
        write_experiment(folder, f"{text}budget: {json.dumps(limits)}\ncache: {{mode: {cache}}}\n")
        rows = [f"{a} + {b},{a + b}" for a in range(6) for b in range(ROWS // 6)]
        (folder / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")

    def start(self) -> BaseProcess:
        """Start it, or carry it on."""
        has_begun = bool(list((self._folder / "runs").glob("*/run.json")))
        command = ("resume", "latest") if has_begun else ("train", "toy.yaml")
        process = PROCESSES.Process(target=_promptrl, args=(self._folder, *command))
        process.start()
        return process

    def outcomes(self) -> list[str]:
        """The answers that its folder holds; a line that was cut off is none."""
        paths = sorted((self._folder / "runs").glob("*/outcomes.jsonl"))
        return paths[-1].read_text(encoding="utf-8").split("\n")[:-1] if paths else []

    def total(self) -> int:
        """Answers that it used."""
        results = sorted((self._folder / "runs").glob("*/result.json"))
        return int(json.loads(results[-1].read_text())["calls"]["total"]) if results else len(self.outcomes())

    def log(self) -> str:
        """What it said."""
        return (self._folder / "log.txt").read_text(errors="replace")


def limits_of(kind: str, rng: random.Random) -> dict[str, float]:
    """Limits that pay for 100 to 300 calls."""
    calls = rng.randint(100, 300)
    tokens = calls * USUAL_TOKENS
    limits = {"max_calls": calls, "max_tokens": tokens, "max_usd": tokens * 2.4 / 1e6}
    if kind == "all":
        return limits
    return {"max_calls": 1000} | {name: value for name, value in limits.items() if name == f"max_{kind}"}


def trial(seed: int, folder: Path) -> Trial:
    """Run one trial, and look at what the server saw and what the folder holds."""
    rng = random.Random(seed)
    kind = LIMITS[seed % len(LIMITS)]
    limits, kills = limits_of(kind, rng), rng.randint(1, 3)
    biller = Biller(rng, rng.choice([0.05, 0.2, 0.5]))
    with OpenAIServer(toy_model.answer, biller.faults(), usage=told_usage) as server:
        run = Run(folder, server, limits, rng.choice(["deterministic", "off"]))
        done, code, lost = kill_and_resume(run, biller, server, kills, rng)
    tokens, usd = biller.billed(server)
    used = {"max_calls": run.total(), "max_tokens": tokens, "max_usd": usd}
    parts = [used[name] / limit for name, limit in limits.items()]
    again, in_flight = biller.asked_again(server)
    if "Traceback" in run.log():
        print(run.log(), file=sys.stderr)  # noqa: T201 - a script
        code = 1
    return Trial(kind, done, len(server.requests), code, max(parts), max(0.0, max(parts) - 1), lost, again, in_flight)


def kill_and_resume(
    run: Run, biller: Biller, server: OpenAIServer, kills: int, rng: random.Random
) -> tuple[int, int, int]:
    """Kill it so often, then carry it on until it ends: the kills, the last exit code, the answers lost."""
    done = lost = 0
    code: int | None = None
    for start in range(MOST_STARTS):
        before = run.outcomes()
        process = run.start()
        if start < kills:
            _wait_for(server, len(server.requests) + rng.randint(1, 120), process)
            process.kill()
        process.join()
        lost += sum((Counter(before) - Counter(run.outcomes())).values())
        code = process.exitcode
        if code in (0, 1, 2, 5, 6):
            break
        done += code == -9
        _let_requests_arrive(server)
        biller.process += 1
    assert code is not None
    return done, code, lost


def _wait_for(server: OpenAIServer, requests: int, process: BaseProcess) -> None:
    while len(server.requests) < requests and process.is_alive():
        time.sleep(0.002)


def _let_requests_arrive(server: OpenAIServer) -> None:
    """What a killed process has sent belongs to it."""
    seen = -1
    while seen < len(server.requests):
        seen = len(server.requests)
        time.sleep(0.05)


def prepare() -> None:
    """Import once what all processes need."""
    PROCESSES.set_forkserver_preload(["promptrl.cli", "promptrl.experiment.train", "promptrl.search.searches"])


def trials(count: int, workers: int, place: Path) -> Iterator[Trial]:
    """Run so many, several at a time."""
    prepare()

    def one(seed: int) -> Trial:
        folder = place / f"trial-{seed}"
        folder.mkdir()
        return trial(seed, folder)

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(one, range(count))


def main() -> int:
    """Run the trials and say what they cost; exit code 1 when one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--workers", type=int, default=4, help="trials at a time")
    options = parser.parse_args()
    began_s, results = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as place:
        for number, result in enumerate(trials(options.trials, options.workers, Path(place))):
            results.append(result)
            if not result.is_right:
                print(f"trial {number}: {result}", flush=True)  # noqa: T201 - a script
    print(  # noqa: T201 - a script
        f"{len(results)} trials, {sum(r.kills for r in results)} kills, {sum(r.attempts for r in results)} attempts, "
        f"{time.perf_counter() - began_s:.0f} s; exit codes {dict(Counter(r.code for r in results))}\n"
        f"over a limit: {sum(r.over > 1e-9 for r in results)} (at most {max(r.over for r in results):.2%}); "
        f"answers lost: {sum(r.lost for r in results)}; paid again: {sum(r.again for r in results)}, "
        f"and {sum(r.lost_in_flight for r in results)} that were in flight at a kill"
    )
    for kind in LIMITS:
        parts = sorted(r.spent for r in results if r.limit == kind)
        median = parts[len(parts) // 2] if parts else 0.0
        print(f"{kind}: half of {len(parts)} runs spent {median:.0%} or more of the limit")  # noqa: T201 - a script
    return int(not all(result.is_right for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
