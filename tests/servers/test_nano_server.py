"""The test server speaks enough of the OpenAI protocol, started as its users start it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SERVER = Path(__file__).with_name("nano_server.py")
QUESTION = "Anna has 11 apples. Anna finds 2 more. How many apples does Anna have now?"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The server in its own process."""
    with subprocess.Popen([sys.executable, str(SERVER), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def call(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as response:  # noqa: S310 (loopback)
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_chat_is_answered_with_usage(base_url: str) -> None:
    """One choice, a finish reason, and token counts that add up."""
    body = {"model": "nano", "temperature": 0, "messages": [{"role": "user", "content": QUESTION}]}
    status, answer = call(f"{base_url}/chat/completions", body)
    usage = answer["usage"]
    assert status == 200
    assert answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"] > usage["completion_tokens"] > 0


def test_models_are_listed(base_url: str) -> None:
    """The one model is there under its name."""
    assert [model["id"] for model in call(f"{base_url}/models")[1]["data"]] == ["nano"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"messages": [{"role": "user", "content": "word " * 500}]}, 400, "context_length_exceeded"),
        ({"temperature": 9}, 400, None),
        ({"messages": "hello"}, 400, None),
    ],
)
def test_bad_requests_are_refused(base_url: str, change: dict[str, Any], status: int, code: str | None) -> None:
    """Errors have OpenAI's shape."""
    body = {"model": "nano", "messages": [{"role": "user", "content": QUESTION}]} | change
    answered, answer = call(f"{base_url}/chat/completions", body)
    assert (answered, answer["error"]["code"]) == (status, code)
