"""Every fault of a server, over real HTTP, with the behaviour that ``llm/engine/attempts.py`` documents for it."""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import TargetError
from promptrl.llm.base import Completion, CompletionError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.stub_target import FakeTime, ask

MEGABYTE = "word " * 200_000
TAGGED = '{"answer": 8, "note": "the text after </think> is the answer", "tag": "</think>\\n"}'


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "code": code}}


def _said(content: str | None, finish_reason: str = "stop", **message: Any) -> Fault:
    return Fault(200, {"choices": [{"message": {"content": content} | message, "finish_reason": finish_reason}]})


def _ended(finish_reason: Any, **choice: Any) -> Fault:
    return Fault(200, {"choices": [{"message": {"content": ""}, "finish_reason": finish_reason, **choice}]})


GOOD = {"choices": [{"message": {"content": "half an answ"}, "finish_reason": "stop"}]}
FAILED_REASONS = ("upstream_error", "network_error", "insufficient_system_resource", "TIMEOUT")
GOOGLE_429 = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}],
        }
    }
]
TRANSIENT = {
    "408": (Fault(408), "timeout"),
    "409": (Fault(409), "conflict"),
    "429": (Fault(429), "rate_limit"),
    "429 with Retry-After": (Fault(429, headers={"Retry-After": "7"}), "rate_limit"),
    "500": (Fault(500), "server"),
    "502 with a page": (Fault(502, "<html>Bad gateway</html>"), "server"),
    "503": (Fault(503), "overloaded"),
    "504": (Fault(504), "server"),
    "529": (Fault(529), "overloaded"),
    "reset": (Fault(kind="reset"), "connection"),
    "reset in the middle": (Fault(kind="cut"), "connection"),
    "truncated": (Fault(kind="short"), "connection"),
    "accepts and never answers": (Fault(kind="hang"), "timeout"),
    "a page instead of JSON": (Fault(200, "<html>please log in</html>"), "server"),
    "JSON cut off": (Fault(200, '{"choices": [{"mess'), "server"),
    "JSON of another kind": (Fault(200, [1, 2]), "server"),
    "no message": (Fault(200, {"choices": [{"text": "old protocol"}]}), "server"),
    "choices of another kind": (Fault(200, {"choices": "none"}), "server"),
    "an upstream's failure with status 200": (
        Fault(200, {"error": {"message": "overloaded", "code": 529}}),
        "overloaded",
    ),
    "a failure beside an answer": (
        Fault(200, {**GOOD, "error": {"message": "upstream went away", "code": "upstream_error"}}),
        "server",
    ),
    "a failure within the choice": (
        _ended("error", error={"message": "Provider returned error", "code": 502}),
        "server",
    ),
    "a choice that ended in an error": (_ended("error"), "server"),
    "a failure within the message": (_said("", error={"code": 503, "message": "busy"}), "overloaded"),
    "a choice that ended in an error of the upstream": (_ended(None, native_finish_reason="error"), "server"),
    **{f"a choice that ended in {reason}": (_ended(reason), "server") for reason in FAILED_REASONS},
    "424": (Fault(424, _error("Request failed during generation")), "server"),
    "425": (Fault(425), "server"),
    "498": (Fault(498, _error("capacity exceeded")), "overloaded"),
    "a choice that was aborted": (_ended({"type": "abort", "message": "out of memory"}), "server"),
    "a list with a failure and status 200": (Fault(200, [{"error": {"code": 503, "message": "busy"}}]), "overloaded"),
    "text of JSON with status 200": (Fault(200, '"upstream connect error"'), "server"),
    "no choices": (Fault(200, {"object": "chat.completion", "choices": []}), "server"),
    "choices that are null": (Fault(200, {"choices": None, "base_resp": {"status_code": 1002}}), "server"),
    "brackets without end": (Fault(200, "[" * 200_000), "server"),
    "brackets without end in an error": (Fault(500, "[" * 200_000), "server"),
    "429 as Google says it": (Fault(429, GOOGLE_429), "rate_limit"),
    "429 of words that sound final, with a pause": (
        Fault(429, _error("You exceeded your current quota"), {"Retry-After": "1"}),
        "rate_limit",
    ),
    "403 with a pause": (Fault(403, _error("secondary limit"), {"Retry-After": "3"}), "server"),
    "400 with the code of a rate limit": (Fault(400, _error("slow down", "rate_limit_exceeded")), "rate_limit"),
}
FINAL = {
    "400": Fault(400, _error("temperature must be a number")),
    "401": Fault(401, _error("bad key")),
    "402": Fault(402),
    "403": Fault(403),
    "404, wrong model": Fault(404, _error("The model `m` does not exist", "model_not_found")),
    "422": Fault(422, _error("field required")),
    "429, no quota": Fault(429, _error("You exceeded your current quota", "insufficient_quota")),
}
BAD_ANSWERS = {
    "context overflow": (Fault(400, _error("too long", "context_length_exceeded")), "context_overflow"),
    "413": (Fault(413), "context_overflow"),
    "filtered prompt": (Fault(400, _error("flagged", "content_filter")), "content_filter"),
    "filtered answer": (_said("half of", "content_filter"), "content_filter"),
    "refused for its content": (Fault(400, _error("Content Exists Risk", "invalid_request_error")), "content_filter"),
    "refused for its content, by code": (
        Fault(400, _error("Invalid prompt: your prompt was flagged", "invalid_prompt")),
        "content_filter",
    ),
    "refused by policy": (Fault(400, _error("rejected", "content_policy_violation")), "content_filter"),
    "refused by Azure": (
        Fault(400, {"error": {"message": "m", "code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        "content_filter",
    ),
    "refused by a moderation": (Fault(403, _error("Your input was flagged")), "content_filter"),
    "refused by law": (Fault(451), "content_filter"),
    "filtered answer, as Zhipu says it": (_said("", "sensitive"), "content_filter"),
    **{f"cut off by {reason}": (_said("", reason), "no_answer") for reason in ("MAX_TOKENS", "model_length")},
    "filtered answer, as Google says it": (_said("", "content_filter: SAFETY"), "content_filter"),
    "cut off before the answer": (_said("", "length"), "no_answer"),
    "cut off after a line break": (_said("\n", "length"), "no_answer"),
    "null answer": (_said(None), "empty"),
    "thoughts alone": (_said("", "length", reasoning_content="hmm"), "only_thoughts"),
    "thoughts cut off": (_said("<think>hmm", "length"), "only_thoughts"),
}
ANSWERS = {
    "a megabyte": (_said(MEGABYTE), MEGABYTE),
    "NUL and escapes": (_said("a\0b\x1b[31m"), "a\0b\x1b[31m"),
    "a lone surrogate": (_said("a\ud800b"), "a\ud800b"),
    "a refusal": (_said(None, refusal="I can't"), "I can't"),
    "thoughts apart": (_said("42", reasoning_content="hmm"), "42"),
    "thoughts before it": (_said("<think>hmm</think>\n\n42"), "42"),
    "nothing said": (_said(""), ""),
    "an empty place for an error": (Fault(200, {**_said("a").body, "error": {"code": 0, "message": ""}}), "a"),
    "thoughts in other words": (_said("<thinking>hmm</thinking>\n42"), "42"),
    "thoughts that the template began": (_said("hmm\n</think>\n\n42"), "42"),
    "a tag within JSON": (_said(TAGGED), TAGGED),
    "a tag within JSON in a fence": (_said(f"```json\n{TAGGED}\n```"), f"```json\n{TAGGED}\n```"),
    "a tag within a sentence": (_said("After </think> comes the answer."), "After </think> comes the answer."),
    "thoughts before JSON with a tag": (_said(f"<think>[x</think>{TAGGED}"), TAGGED),
}


@dataclass
class Asked:
    """What became of one question."""

    answer: Completion | CompletionError
    budget: Budget
    time: FakeTime
    attempts: int


def ask_server(faults: Any, tmp_path: Path, *, max_retries: int = 2) -> Asked:
    """Ask one question of a server with these faults, with a cache and a clock that does not wait."""
    time, budget = FakeTime(), Budget(max_calls=1)
    with OpenAIServer(faults=faults) as server, Cache(tmp_path / "cache.sqlite") as cache:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(
            target,
            budget=budget,
            cache=cache,
            max_retries=max_retries,
            timeout_s=1.5,
            clock=time.clock,
            sleep=time.sleep,
        ) as engine:
            (answer,) = engine.run([ask("a")])
        kept = cache.stats().answers
    assert kept == isinstance(answer, Completion)
    return Asked(answer, budget, time, len(server.requests))


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_transient_fault_is_retried(name: str, tmp_path: Path) -> None:
    """It costs one more attempt, and the answer is as good as any."""
    asked = ask_server([TRANSIENT[name][0]], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert (asked.answer.text, asked.answer.fault, asked.attempts) == ("ok", None, 2)
    assert (asked.budget.spent.total, asked.budget.spent.paid, asked.budget.spent.retried) == (1, 2, 1)
    assert len(asked.time.slept) == 1
    assert 0.5 <= asked.time.slept[0] <= 7


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_transient_fault_that_stays_is_a_missing_answer(name: str, tmp_path: Path) -> None:
    """Never a score of 0, never in the cache; the call is given back."""
    fault, kind = TRANSIENT[name]
    asked = ask_server(itertools.repeat(fault), tmp_path, max_retries=1)
    assert isinstance(asked.answer, CompletionError)
    assert (asked.answer.kind, asked.attempts, asked.budget.spent.total) == (kind, 2, 0)


@pytest.mark.parametrize("name", FINAL)
def test_what_can_not_be_cured_stops_the_run_with_exit_4(name: str, tmp_path: Path) -> None:
    """After one attempt, with status and server in the message."""
    with pytest.raises(TargetError, match=f"m at http.*: {FINAL[name].status}: ") as caught:
        ask_server([FINAL[name]], tmp_path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_is_data(name: str, tmp_path: Path) -> None:
    """It is paid, kept and not asked again; its fault is the reason of its score."""
    fault, expected = BAD_ANSWERS[name]
    asked = ask_server([fault], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert (asked.answer.fault, asked.attempts) == (expected, 1)


@pytest.mark.parametrize("name", [name for name, (fault, _) in BAD_ANSWERS.items() if fault.status != 200])
def test_a_refused_question_costs_nothing(name: str, tmp_path: Path) -> None:
    """The model never saw it, so the price of a run stays known and no budget is charged."""
    asked = ask_server([BAD_ANSWERS[name][0]], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert (asked.answer.cost_usd, asked.answer.prompt_tokens, asked.budget.spent.cost_usd) == (0.0, 0, 0.0)


def test_google_is_asked_again_after_the_pause_it_wants(tmp_path: Path) -> None:
    """Which stands in the body, in a list."""
    assert ask_server([Fault(429, GOOGLE_429)], tmp_path).time.slept == [1.5]


def test_a_pause_of_nothing_is_not_taken_at_its_word(tmp_path: Path) -> None:
    """A server that always says 0 is asked less and less often, as one that says nothing."""
    asked = ask_server(itertools.repeat(Fault(503, headers={"Retry-After": "0"})), tmp_path, max_retries=4)
    assert asked.time.slept == [0.5, 1, 2, 4]


@pytest.mark.parametrize("charset", ["utf-16", "idna", "rot13", "base64", "no-such", "utf-8"])
@pytest.mark.parametrize("status", [200, 503])
def test_the_name_of_an_encoding_does_not_matter(charset: str, status: int, tmp_path: Path) -> None:
    """JSON is UTF-8; what can't be read all the same is a fault of that answer, never a traceback."""
    reply = {"choices": [{"message": {"content": "é"}, "finish_reason": "stop"}]} if status == 200 else None
    fault = Fault(status, reply, {"Content-Type": f"application/json; charset={charset}"})
    asked = ask_server([fault], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert asked.answer.text == ("é" if status == 200 else "ok")


@pytest.mark.parametrize("count", ["1" * 400, "-3", '"many"', "NaN", "1e400", "[]", "true"])
def test_a_count_that_is_none_is_unknown(count: str, tmp_path: Path) -> None:
    """The answer is as good as any; what it may have cost is charged."""
    body = f'{{"choices": [{{"message": {{"content": "a"}}}}], "usage": {{"prompt_tokens": {count}}}}}'
    asked = ask_server([Fault(200, body)], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert (asked.answer.text, asked.answer.prompt_tokens) == ("a", None)


def test_a_refusal_without_a_known_reason_is_of_the_question_once_another_is_answered(fake_time: FakeTime) -> None:
    """Before that it may be about what all questions share, and ends the run."""
    strange = Fault(400, _error("Nope."))
    with OpenAIServer(faults=[None, strange, None]) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=Budget(max_calls=None), cache=None, concurrency=1) as engine:
            answers = engine.run([ask("a"), ask("b"), ask("c")])
    assert [answer.fault for answer in answers if isinstance(answer, Completion)] == [None, "refused", None]


PAGE = "<!DOCTYPE html><title>Attention Required!</title>Your request was flagged. Ray ID: 7f"
BLOCKED = {
    "403": Fault(403),
    "403 without a body": Fault(403, ""),
    "403 with a page": Fault(403, f"\n{PAGE}"),
    "403 of a gateway": Fault(403, {"message": "Forbidden"}),
    "400 with a page": Fault(400, PAGE),
    "404 with a page": Fault(404, PAGE),
    "404 of a gateway": Fault(404, {"detail": "Not Found"}),
    "405": Fault(405, ""),
    "406 with a page": Fault(406, "<html><h1>Not Acceptable!</h1>Mod_Security"),
    "418": Fault(418, ""),
}
OF_THE_KEY = {
    "401": Fault(401, ""),
    "401 with a page": Fault(401, PAGE),
    "402": Fault(402, ""),
    "407 with a page": Fault(407, PAGE),
    "403, bad key": Fault(403, _error("bad key")),
    "403, a right is lacking": Fault(403, {"error": {"status": "PERMISSION_DENIED", "message": "No."}}),
    "403, wrong country": Fault(403, _error("Country, region, or territory not supported")),
    "404, wrong model": Fault(404, _error("The model `m` does not exist", "model_not_found")),
}


def ask_three(fault: Fault) -> list[Completion | CompletionError]:
    """The second of three questions meets this fault."""
    with OpenAIServer(faults=[None, fault, None]) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=Budget(max_calls=None), cache=None, concurrency=1) as engine:
            return list(engine.run([ask("a"), ask("b"), ask("c")]))


@pytest.mark.parametrize("name", BLOCKED)
def test_what_a_firewall_may_have_said_is_missing_once_another_question_is_answered(name: str) -> None:
    """It is not asked again; both readings are in the message. Before any answer it ends the run."""
    first, blocked, last = ask_three(BLOCKED[name])
    assert isinstance(first, Completion)
    assert isinstance(last, Completion)
    assert isinstance(blocked, CompletionError)
    assert blocked.kind == "blocked"
    assert "; or a firewall before the server does not let this question pass" in blocked.message
    assert ("(no key was sent)" in blocked.message) == (BLOCKED[name].status == 403)
    with OpenAIServer(faults=[BLOCKED[name]]) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with (
            Engine(target, budget=Budget(max_calls=None), cache=None) as engine,
            pytest.raises(TargetError) as caught,
        ):
            engine.run([ask("a")])
    assert "firewall" not in str(caught.value)


@pytest.mark.parametrize("name", OF_THE_KEY)
def test_what_is_said_of_key_or_model_ends_a_run_at_any_time(name: str) -> None:
    """The next question would be refused as well."""
    with pytest.raises(TargetError):
        ask_three(OF_THE_KEY[name])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_redirect_to_another_origin_is_not_followed(host: str) -> None:
    """It would get key, headers and prompts; the message says where it leads. The server itself may move paths."""
    with OpenAIServer() as other:
        url = other.base_url.replace("127.0.0.1", host) + "/chat/completions?key=hunter2"
        with OpenAIServer(faults=[Fault(307, headers={"Location": url})]) as server:
            target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
            with (
                Engine(target, budget=Budget(max_calls=None), cache=None) as engine,
                pytest.raises(
                    TargetError, match=rf"307: it sends on to http://{host}:\d+ .*target\.base_url"
                ) as caught,
            ):
                engine.run([ask("a")])
        assert other.requests == []
        assert "hunter2" not in str(caught.value)


def test_a_redirect_within_a_server_is_followed() -> None:
    """Paths move; nobody else gets anything."""
    with OpenAIServer(faults=[Fault(307, headers={"Location": "/v1/chat/completions"})]) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=Budget(max_calls=None), cache=None) as engine:
            (answer,) = engine.run([ask("a")])
    assert isinstance(answer, Completion)
    assert answer.text == "ok"


@pytest.mark.parametrize("name", ANSWERS)
def test_a_strange_answer_is_kept_as_it_is(name: str, tmp_path: Path) -> None:
    """Also in the cache, from where it comes back the same."""
    fault, text = ANSWERS[name]
    asked = ask_server([fault], tmp_path)
    assert isinstance(asked.answer, Completion)
    assert (asked.answer.text, asked.answer.fault, asked.attempts) == (text, None, 1)
    with Cache(tmp_path / "cache.sqlite") as cache:
        assert [row["text"] for row in cache.export()] == [text]


@contextmanager
def _deaf_port() -> Iterator[int]:
    """A port whose connections nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(("is_listening", "kind"), [(False, "connection"), (True, "timeout")])
def test_a_server_that_is_not_there_is_a_missing_answer(
    is_listening: bool, kind: str, fake_time: FakeTime, tmp_path: Path
) -> None:
    """Connection refused, or a port that takes connections and reads nothing."""
    with _deaf_port() as port:
        deaf = port
        if is_listening:
            answer = _ask_port(deaf, fake_time)
    if not is_listening:
        answer = _ask_port(deaf, fake_time)
    assert isinstance(answer, CompletionError)
    assert answer.kind == kind
    assert f"127.0.0.1:{deaf}" in answer.message or "no answer within" in answer.message


def _ask_port(port: int, time: FakeTime) -> Completion | CompletionError:
    target = OpenAITarget("m", base_url=f"http://127.0.0.1:{port}/v1", api_key_env=None)
    fields: dict[str, Any] = {"timeout_s": 0.2, "max_retries": 1, "clock": time.clock, "sleep": time.sleep}
    with Engine(target, budget=Budget(max_calls=1), cache=None, **fields) as engine:
        return engine.run([ask("a")])[0]


def test_a_burst_of_429_is_ridden_out_by_asking_less_at_once(fake_time: FakeTime) -> None:
    """Nothing is missing, everyone waits as long as the server said, and the concurrency has come down."""
    faults = [Fault(429, headers={"Retry-After": "2"})] * 12
    with OpenAIServer(lambda messages, _: messages[-1]["content"], faults) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(
            target, budget=Budget(max_calls=None), cache=None, clock=fake_time.clock, sleep=fake_time.sleep
        ) as engine:
            answers = engine.run([ask(f"q{n}") for n in range(24)])
            assert engine.stats.concurrency < 16
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == [f"q{n}" for n in range(24)]
    assert len(server.requests) == 36
    assert fake_time.now_s >= 2


def test_a_request_with_a_lone_surrogate_can_be_sent() -> None:
    """The server gets a replacement character: no JSON of the world holds the half of one."""
    with OpenAIServer() as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=Budget(max_calls=1), cache=None) as engine:
            engine.run([ask("a\ud800 \0 é 🎈")])
    assert server.requests[0].body["messages"][0]["content"] == "a\ufffd \0 é 🎈"


def test_other_parameters_pass_through() -> None:
    """A JSON schema for the answer, a server's own settings."""
    params = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "reasoning_effort": "low",
        "logit_bias": {"50256": -100},
        "chat_template_kwargs": {"enable_thinking": False},
        "seed": 7,
    }
    with OpenAIServer() as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=Budget(max_calls=1), cache=None) as engine:
            engine.run([ask("a", params=params)])
    assert server.requests[0].body.items() >= json.loads(json.dumps(params)).items()


def test_a_parameter_that_the_server_does_not_know_is_named_with_the_way_out() -> None:
    """Reasoning models refuse a temperature."""
    message = "Unsupported value: 'temperature' does not support 0 with this model."
    with OpenAIServer(faults=[Fault(400, _error(message))]) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with (
            Engine(target, budget=Budget(max_calls=1), cache=None) as engine,
            pytest.raises(TargetError, match=r"target\.params\.temperature: null leaves it out"),
        ):
            engine.run([ask("a")])
