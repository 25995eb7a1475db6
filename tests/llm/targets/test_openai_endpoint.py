"""Where an OpenAI target asks and with which key: addresses, variables, identity."""

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import CompletionError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.base_url import is_local, proxy_of
from promptrl.llm.targets.openai import OpenAITargetDefinition
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.openai_server import KEY, Fault, OpenAIServer
from tests.servers.stub_target import ask

pytestmark = pytest.mark.usefixtures("openai_environment")


def test_a_missing_key_is_an_error_before_any_call() -> None:
    """For a remote server; the variable is named."""
    with pytest.raises(ConfigError) as caught:
        OpenAITarget("m", base_url="https://llm.example.com/v1", api_key_env="NO_SUCH_KEY")
    assert [problem.key for problem in caught.value.problems] == ["target.api_key_env"]
    assert "NO_SUCH_KEY" in str(caught.value)


def test_a_server_of_ones_own_needs_no_key() -> None:
    """A dummy is sent, as the protocol wants a header."""
    with OpenAIServer() as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env="NO_SUCH_KEY")
        with Engine(target, budget=Budget(max_calls=1), cache=None) as engine:
            engine.run([ask("a")])
    assert server.requests[0].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://user:hunter2@example.com/v1", "hunter2"),
        ("https://hunter2@example.com/v1", "hunter2"),
        ("https://example.com/v1?key=hunter2", "hunter2"),
        ("ftp://example.com", None),
        ("example.com/v1", None),
        ("http://example.com:port/v1", None),
        ("http://", None),
    ],
)
def test_a_bad_url_is_refused_without_repeating_secrets(url: str, secret: str | None) -> None:
    """The key of the config is named."""
    with pytest.raises(ConfigError, match=r"target\.base_url") as caught:
        OpenAITarget("m", base_url=url, api_key_env="KEY")
    assert secret is None or secret not in str(caught.value)


@pytest.mark.parametrize("url", ["https://x.example/v1?key=hunter2", "hunter2", "http://[::1/hunter2"])
def test_a_bad_address_in_the_environment_is_told_with_the_config(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened; by its variable, and without what it says."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    (problem,) = OpenAITargetDefinition(model="m").lacks()
    assert (problem.key, "OPENAI_BASE_URL" in problem.message, "hunter2" in str(problem)) == ("base_url", True, False)
    assert list(OpenAITargetDefinition(model="m", base_url="http://localhost:1/v1").lacks()) == []


def test_what_follows_the_question_mark_is_sent_with_every_call() -> None:
    """And tells answers apart."""
    with OpenAIServer() as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None, query={"api-version": "2024-10-21"})
        assert target.identity.endswith("/v1?api-version=2024-10-21:m")
        with Engine(target, budget=Budget(max_calls=1), cache=None, max_retries=0) as engine:
            engine.run([ask("a")])
    assert server.requests[0].path == "/v1/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("status", "message", "path", "hint"),
    [
        (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model.", "/v1", "no system"),
        (400, "System role not supported", "/v1", "no system message"),
        (400, "Developer instruction is not enabled for models/gemma-3-4b-it", "/v1", "no system message"),
        (404, "404 page not found", "", "want /v1 at the end"),
        (405, "Method Not Allowed", "/chat", "must be the API's root"),
        (404, "The model `m` does not exist", "/v1", ""),
    ],
)
def test_a_refusal_comes_with_the_way_out(status: int, message: str, path: str, hint: str) -> None:
    """In the words of the config, where what the server says leads elsewhere."""
    fault = Fault(status, {"error": {"message": message}})
    with OpenAIServer(faults=[fault], takes_any_path=True) as server:
        url = server.base_url.removesuffix("/v1") + path
        target = OpenAITarget("m", base_url=url, api_key_env=None)
        with (
            Engine(target, budget=Budget(max_calls=1), cache=None) as engine,
            pytest.raises(TargetError) as caught,
        ):
            engine.run([ask("a")])
    assert hint in str(caught.value)
    assert "target.params.messages" not in str(caught.value)
    assert hint or "(" not in str(caught.value).partition(message)[2]


def test_a_proxy_before_a_server_of_ones_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable: nobody else would guess that it stands in the way."""
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_of("http://localhost:1/v1") is None
    monkeypatch.setenv("http_proxy", "http://user:hunter2@proxy.example:3128")
    assert proxy_of("http://localhost:1/v1") == "HTTP_PROXY"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    target = OpenAITarget("m", base_url="http://localhost:1/v1", api_key_env=None)
    with Engine(target, budget=Budget(max_calls=1), cache=None, max_retries=0) as engine:
        (answer,) = engine.run([ask("a")])
    assert isinstance(answer, CompletionError)
    assert "through the proxy of HTTP_PROXY (NO_PROXY leaves it out)" in answer.message
    monkeypatch.setenv("no_proxy", "localhost")
    assert proxy_of("http://localhost:1/v1") is None


def test_every_missing_variable_is_reported() -> None:
    """Not only the first."""
    with pytest.raises(ConfigError) as caught:
        OpenAITarget("m", base_url="https://x.example", api_key_env="NO_KEY", headers={"A": "NO_A", "B": "NO_B"})
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["target.api_key_env", "target.headers.A", "target.headers.B"]


def test_a_key_with_a_line_break_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """White space around it is not part of it."""
    monkeypatch.setenv("KEY", "abc\ndef")
    with pytest.raises(ConfigError, match="KEY holds") as caught:
        OpenAITarget("m", base_url="https://x.example", api_key_env="KEY")
    assert "abc" not in str(caught.value)
    monkeypatch.setenv("KEY", f" {KEY}\n")
    OpenAITarget("m", base_url="https://x.example", api_key_env="KEY")


def test_identity_tells_endpoints_and_models_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an endpoint that comes from the environment; never the key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    plain = OpenAITarget("m").identity
    assert plain == "openai:https://api.openai.com/v1:m"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://other.example/v1/")
    assert OpenAITarget("m").identity == "openai:https://other.example/v1:m"
    assert OpenAITarget("n").identity != OpenAITarget("m").identity


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://host.docker.internal/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_local_means_this_machine_or_network(url: str, expected: bool) -> None:
    """Only such servers go without a key."""
    assert is_local(url) is expected
