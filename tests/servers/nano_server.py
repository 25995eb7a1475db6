"""nano behind the OpenAI protocol on loopback: ``python -m tests.servers.nano_server --port N`` (0 = any free port).

Answers ``POST /v1/chat/completions`` (with usage) and ``GET /v1/models``; prints its base URL when it listens.
Tests run it in-process through ``serve``.
"""

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from promptrl.errors import ConfigError
from promptrl.llm.base import Completion, Message
from promptrl.llm.targets.local import LocalTarget

_PARAMS = ("max_tokens", "temperature", "top_p", "seed", "stop")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, model: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.model = model
        self.target = LocalTarget(model)
        self.loop = asyncio.new_event_loop()
        self.loop_thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.loop_thread.start()

    def answer(self, body: dict[str, Any]) -> Completion:
        """Ask the model; OpenAI's default temperature is 1."""
        messages = tuple(Message(turn["role"], turn["content"]) for turn in body["messages"])
        params = {"temperature": 1} | {name: body[name] for name in _PARAMS if name in body}
        return asyncio.run_coroutine_threadsafe(self.target.complete(messages, params), self.loop).result()

    def server_close(self) -> None:
        super().server_close()
        asyncio.run_coroutine_threadsafe(self.target.aclose(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.loop_thread.join()
        self.loop.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})
        else:
            self._fail(404, f"no such path: {self.path}")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            self._fail(404, f"no such path: {self.path}")
            return
        try:
            body = json.loads(raw)
            if body["model"] != self.server.model:
                self._fail(404, f"no such model: {body['model']}", "model_not_found")
                return
            completion = self.server.answer(body)
        except (ConfigError, ValueError, KeyError, TypeError) as error:
            self._fail(400, f"bad request: {error}")
            return
        if completion.fault == "context_overflow":
            self._fail(400, "the prompt is too long for this model", "context_length_exceeded")
        else:
            self._send(200, _chat_completion(self.server.model, completion))

    def _fail(self, status: int, message: str, code: str | None = None) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Say nothing."""


def _chat_completion(model: str, completion: Completion) -> dict[str, Any]:
    prompt_tokens, completion_tokens = completion.prompt_tokens or 0, completion.completion_tokens or 0
    return {
        "id": "chatcmpl-nano",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": completion.text},
                "finish_reason": completion.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


@contextmanager
def serve(port: int = 0, model: str = "nano") -> Iterator[str]:
    """Serve in a background thread; gives the base URL (``http://127.0.0.1:PORT/v1``)."""
    server = _Server(port, model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="nano behind the OpenAI protocol, on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="nano")
    arguments = parser.parse_args()
    with serve(arguments.port, arguments.model) as base_url:
        sys.stdout.write(base_url + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
