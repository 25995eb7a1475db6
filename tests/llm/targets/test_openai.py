"""The OpenAI target and the engine against a real HTTP server."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, ConfigError, TargetError
from promptrl.llm.base import Completion, CompletionError, Message, Request
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.openai_server import KEY, Fault, OpenAIServer
from tests.servers.stub_target import FakeTime, ask

pytestmark = pytest.mark.usefixtures("openai_environment")


def _run(
    server: OpenAIServer,
    requests: list[Request],
    time: FakeTime | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> list[Any]:
    time = time or FakeTime()
    target = OpenAITarget("m", base_url=server.base_url, api_key_env="KEY", headers=headers)
    fields = {"budget": Budget(max_calls=None), "cache": None} | fields
    with Engine(target, clock=time.clock, sleep=time.sleep, **fields) as engine:
        return engine.run(requests)


def test_a_request_arrives_as_the_protocol_says() -> None:
    """Messages, parameters (also a server's own), key and headers."""
    request = Request((Message("system", "be"), Message("user", "hi")), {"temperature": 0, "top_k": 3, "stop": None})
    with OpenAIServer() as server:
        _run(server, [request], headers={"X-Team": "KEY"})
    (received,) = server.requests
    assert received.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}],
        "temperature": 0,
        "top_k": 3,
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["x-team"] == KEY


def test_answers_keep_the_order_of_the_requests() -> None:
    """Over real connections, with no more of them at once than allowed."""
    with OpenAIServer(lambda messages, _: messages[-1]["content"] + "!") as server:
        answers = _run(server, [ask(f"q{n}") for n in range(60)], concurrency=4)
    assert [answer.text for answer in answers] == [f"q{n}!" for n in range(60)]
    assert server.most_in_flight <= 4
    assert answers[0].prompt_tokens == 2
    assert answers[0].completion_tokens == 1
    assert answers[0].finish_reason == "stop"
    assert answers[0].latency_s > 0


def test_equal_requests_and_cached_ones_reach_the_server_once(tmp_path: Path) -> None:
    """In one batch, and in a second run."""
    with OpenAIServer() as server, Cache(tmp_path / "c") as cache:
        for _ in range(2):
            _run(server, [ask("a"), ask("a"), ask("b")], cache=cache)
        assert len(server.requests) == 2


def test_a_server_without_usage_gives_unknown_tokens() -> None:
    """None, not 0."""
    with OpenAIServer(has_usage=False) as server:
        (answer,) = _run(server, [ask("a")])
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("ok", None, None)


@pytest.mark.parametrize("count", ["many", -1, 10**400, 2.5, True, None, [3]])
def test_a_count_that_can_not_be_one_is_an_unknown_one(count: Any) -> None:
    """The answer itself is good."""
    fault = Fault(200, {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": count}})
    with OpenAIServer(faults=[fault]) as server:
        (answer,) = _run(server, [ask("a")])
    assert (answer.text, answer.prompt_tokens) == ("a", None)


def test_a_429_is_retried_after_the_time_the_server_names(fake_time: FakeTime) -> None:
    """In seconds."""
    with OpenAIServer(faults=[Fault(429, headers={"Retry-After": "3"})]) as server:
        (answer,) = _run(server, [ask("a")], fake_time)
    assert answer.text == "ok"
    assert fake_time.slept == [3.0]
    assert len(server.requests) == 2


def test_retry_after_may_be_milliseconds_or_a_date(fake_time: FakeTime) -> None:
    """A date in the past means soon: the pauses still grow."""
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    faults = [Fault(503, headers={"retry-after-ms": "1500"}), Fault(503, headers={"Retry-After": past})]
    with OpenAIServer(faults=faults) as server:
        (answer,) = _run(server, [ask("a")], fake_time)
    assert answer.text == "ok"
    assert fake_time.slept == [1.5, 1.0]


FAULTS = [
    *(Fault(status) for status in (408, 409, 500, 502, 503, 504, 529)),
    Fault(kind="reset"),
    Fault(kind="cut"),
    Fault(200, "<html>a proxy's page</html>"),
    Fault(200, {"error": {"message": "upstream is down", "code": 502}}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}")
def test_a_transient_fault_is_retried(fault: Fault) -> None:
    """One bad attempt costs a retry and nothing else."""
    budget = Budget(max_calls=None)
    with OpenAIServer(faults=[fault]) as server:
        (answer,) = _run(server, [ask("a")], budget=budget)
        assert len(server.requests) == 2
    assert answer.text == "ok"
    assert (budget.spent.total, budget.spent.paid, budget.spent.retried) == (1, 2, 1)


def test_a_burst_of_500_is_ridden_out() -> None:
    """Thirty bad answers among forty requests, none is missing."""
    with OpenAIServer(faults=[Fault(500)] * 30) as server:
        answers = _run(server, [ask(f"q{n}") for n in range(40)])
    assert all(isinstance(answer, Completion) for answer in answers)
    assert len(server.requests) == 70


def test_a_fault_that_stays_is_a_missing_answer() -> None:
    """With the reason."""
    with OpenAIServer(faults=[Fault(500)] * 3) as server:
        (answer,) = _run(server, [ask("a")], max_retries=2)
    assert isinstance(answer, CompletionError)
    assert answer.kind == "server"
    assert "500" in answer.message
    assert "attempts: 3" in answer.message


def test_a_silent_server_is_a_timeout() -> None:
    """The engine's limit for one attempt."""
    with OpenAIServer(faults=[Fault(kind="hang")]) as server:
        (answer,) = _run(server, [ask("a")], timeout_s=0.2, max_retries=0)
    assert answer.kind == "timeout"


def test_nobody_listening_is_a_connection_error() -> None:
    """The message says where; nothing is charged for an attempt that was never sent."""
    with OpenAIServer() as server:
        pass
    budget = Budget(max_calls=None, max_tokens=20)
    (answer,) = _run(server, [ask("a")], budget=budget, max_retries=3)
    assert answer.kind == "connection"
    assert server.base_url in answer.message
    assert budget.spent.paid == 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(401),
        Fault(403),
        Fault(404, {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}),
        Fault(400, {"error": {"message": "Unsupported value: 'temperature' does not support 0"}}),
        Fault(402),
        Fault(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    ],
    ids=lambda fault: str(fault.status),
)
def test_what_can_not_be_cured_stops_at_once(fault: Fault) -> None:
    """No retry, and the other 49 are not asked; the message holds status and model."""
    with OpenAIServer(faults=[fault]) as server:
        with pytest.raises(TargetError, match=f"m at .*{fault.status}"):
            _run(server, [ask(f"q{n}") for n in range(50)], concurrency=1)
        assert len(server.requests) < 5  # a few were about to start


def test_a_refused_key_names_its_variable() -> None:
    """So that the user knows where to look."""
    with OpenAIServer(faults=[Fault(401)]) as server, pytest.raises(TargetError, match="comes from KEY"):
        _run(server, [ask("a")])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(400, {"error": {"message": "too long", "code": "context_length_exceeded"}}), "context_overflow"),
        (Fault(400, {"error": {"message": "This model's maximum context length is 8 tokens"}}), "context_overflow"),
        (Fault(400, {"error": {"message": "the request exceeds the available context size"}}), "context_overflow"),
        (Fault(413), "context_overflow"),
        (Fault(400, {"error": {"message": "filtered", "code": "content_filter"}}), "content_filter"),
        (Fault(200, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}), "empty"),
        (Fault(200, {"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}), "content_filter"),
    ],
)
def test_a_bad_completion_is_data(fault: Fault, expected: str) -> None:
    """It is not retried and says what is wrong with it."""
    with OpenAIServer(faults=[fault]) as server:
        (answer,) = _run(server, [ask("a")])
        assert len(server.requests) == 1
    assert isinstance(answer, Completion)
    assert answer.fault == expected


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "I can't"}, "I can't"),
        ({"content": ""}, ""),
    ],
)
def test_content_is_read_as_servers_write_it(message: dict[str, Any], text: str) -> None:
    """Parts, a refusal, nothing."""
    fault = Fault(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": "?"}})
    with OpenAIServer(faults=[fault]) as server:
        (answer,) = _run(server, [ask("a")])
    assert (answer.text, answer.fault, answer.prompt_tokens) == (text, None, None)


def _refused(status: int, message: str, **more: Any) -> Fault:
    return Fault(status, {"error": {"message": message, **more}})


OVERFLOWS = {
    "OpenAI": _refused(400, "Please reduce the length.", code="context_length_exceeded"),
    "vLLM": Fault(
        400, {"object": "error", "message": "This model's maximum context length is 2048 tokens.", "code": 400}
    ),
    "vLLM, both names": _refused(
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 2048",
    ),
    "vLLM, long prompt": _refused(400, "The decoder prompt (length 9) is longer than the maximum model length of 8."),
    "llama.cpp": _refused(400, "the request exceeds the available context size", type="exceed_context_size_error"),
    "llama.cpp before 2025": _refused(500, "the request exceeds the available context size. try increasing it"),
    "Gemini": Fault(400, [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number"}}]),
    "Anthropic": _refused(400, "prompt is too long: 210000 tokens > 200000 maximum"),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_a_prompt_that_is_too_long_is_known_in_the_words_of_each_server(name: str) -> None:
    """It is data, after one attempt."""
    with OpenAIServer(faults=[OVERFLOWS[name]]) as server:
        (answer,) = _run(server, [ask("a", params={"max_tokens": 4096})])
    assert (answer.fault, len(server.requests)) == ("context_overflow", 1)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"error": {"message": "Unrecognized request argument supplied: seed"}}, "target.params.seed: null"),
        ({"detail": "Unexpected fields in the request: {'top_k'}"}, "target.params.top_k: null"),
        ({"error": {"message": "Unsupported parameter: 'top_p' is not supported"}}, "target.params.top_p: null"),
        ({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, "Field required"),
        ({"object": "error", "message": "The model `m` does not exist."}, "does not exist"),
        ([{"error": {"message": "API key not valid"}}], "API key not valid"),
    ],
)
def test_what_a_server_refuses_is_said_in_its_words(body: Any, hint: str) -> None:
    """Wherever it puts them; a parameter that it does not know is named with the way out."""
    with OpenAIServer(faults=[Fault(422, body)]) as server, pytest.raises(TargetError) as caught:
        _run(server, [ask("a")])
    assert hint in str(caught.value)


def test_max_tokens_gets_its_new_name_when_the_server_asks_for_it() -> None:
    """From then on at once, and without waiting."""
    message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    time = FakeTime()
    with OpenAIServer(faults=[Fault(400, {"error": {"message": message}})]) as server:
        answers = _run(server, [ask("a"), ask("b")], time, concurrency=1)
        names = [sorted(name for name in received.body if name.startswith("max")) for received in server.requests]
    assert [answer.text for answer in answers] == ["ok", "ok"]
    assert names == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]
    assert sum(time.slept) == 0


@pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
def test_a_parameter_that_promptrl_sets_itself_is_refused(name: str) -> None:
    """Before the call."""
    with OpenAIServer() as server:
        with pytest.raises(ConfigError, match=rf"target\.params\.{name}"):
            _run(server, [ask("a", params={name: 1})])
        assert server.requests == []


def test_the_token_budget_holds_against_a_real_server() -> None:
    """The server counts a token per byte, the worst case of a prompt."""
    budget = Budget(max_calls=None, max_tokens=500)
    with OpenAIServer(lambda *_: "one two three") as server:
        with pytest.raises(BudgetExhaustedError):
            _run(server, [ask("hello", repeat=n) for n in range(200)], budget=budget)
        served = len(server.requests)
    assert served == budget.spent.paid
    assert 500 - 5 - 16 < budget.spent.prompt_tokens + budget.spent.completion_tokens == served * 8 <= 500


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_the_key_is_in_no_message(status: int) -> None:
    """Though the server sends it back, whole, and the header too; not in the traceback either."""
    leak = {"error": {"message": f"bad key {KEY}, header: Bearer {KEY} and abcdefgh-header"}}
    with (
        pytest.MonkeyPatch.context() as patch,
        OpenAIServer(faults=[Fault(status, leak, {"Retry-After": "0"})] * 2) as server,
    ):
        patch.setenv("TEAM", "abcdefgh-header")
        foreign = None
        try:
            (answer,) = _run(server, [ask("a")], headers={"X-Team": "TEAM"}, max_retries=1)
            text = str(answer)
        except TargetError as error:
            text = "".join(traceback.format_exception(error))
            foreign = error.__cause__ or error.__context__
    assert foreign is None
    assert "bad key ***" in text
    assert KEY not in text
    assert "secret-1234" not in text
    assert "abcdefgh" not in text
