"""A real HTTP server on loopback that speaks the OpenAI chat protocol, with faults on demand."""

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

Chat = list[dict[str, Any]]

KEY = "sk-secret-1234567890"
"""For clients that send one: the server takes any."""


@dataclass(frozen=True)
class Fault:
    """What the server does to one request instead of answering it.

    Attributes:
        status: HTTP status of the reply.
        body: The reply, JSON unless it is text; None gives an OpenAI error object.
        headers: Further headers of the reply.
        kind: "reply"; "reset" breaks the connection; "hang" waits until the server closes and then resets;
            "cut" resets in the middle of the body; "short" ends it before its promised length.
    """

    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["reply", "reset", "hang", "cut", "short"] = "reply"


UNAVAILABLE = (
    Fault(429, headers={"Retry-After": "0"}),
    Fault(500),
    Fault(503),
    Fault(408),
    Fault(kind="reset"),
    Fault(kind="cut"),
    Fault(kind="short"),
    Fault(200, "<html>a proxy's page</html>"),
)
"""What passes: the request is to be sent again."""


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class OpenAIServer:
    """Serves ``POST /v1/chat/completions`` and ``/v1/embeddings`` while the context is open.

    Args:
        answer: Gives the completion for (messages, the other fields of the request), in a thread per connection.
        faults: One per request, in the order of arrival; None answers properly, and so does the end of them.
        has_usage: Whether replies report tokens: UTF-8 bytes of the contents for the prompt, words for the answer.
        takes_any_path: Whether other paths are served alike, not answered with 404.
        embed: Gives the vector of a text, for ``POST /v1/embeddings``.
        usage: Gives (prompt tokens, completion tokens) for a request's messages and the answer, instead of these.

    Attributes:
        base_url: For the client.
        requests: Everything received so far.
        most_in_flight: The most requests that were being served at the same time.
    """

    def __init__(
        self,
        answer: Callable[[Chat, dict[str, Any]], str] = lambda messages, params: "ok",
        faults: Iterable[Fault | None] = (),
        *,
        has_usage: bool = True,
        usage: Callable[[Chat, str], tuple[int, int]] | None = None,
        takes_any_path: bool = False,
        embed: Callable[[str], Any] = lambda text: [1.0],
    ) -> None:
        self._embed = embed
        self._takes_any_path = takes_any_path
        self.requests: list[Received] = []
        self.most_in_flight = 0
        self._answer = answer
        self._faults = iter(faults)
        self._has_usage = has_usage
        self._usage = usage or _count_tokens
        self._in_flight = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _HTTPServer(("127.0.0.1", 0), self._handler())
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _receive(self, request: Received) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            return next(self._faults, None)

    def _release(self) -> None:
        with self._lock:
            self._in_flight -= 1

    def _reply(self, request: Received) -> dict[str, Any]:
        if request.path.endswith("/embeddings"):
            usage = {"prompt_tokens": len(request.body["input"]), "total_tokens": len(request.body["input"])}
            return {"object": "list", "data": [{"embedding": self._embed(request.body["input"])}], "usage": usage}
        params = dict(request.body)
        messages = params.pop("messages")
        text = self._answer(messages, params)
        reply: dict[str, Any] = {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 0,
            "model": request.body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        }
        if self._has_usage:
            prompt, completion = self._usage(messages, text)
            reply["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # whoever asked was killed
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.path, headers, json.loads(body))
                fault = server._receive(request)
                try:
                    is_known = self.path.partition("?")[0] in ("/v1/chat/completions", "/v1/embeddings")
                    if not (is_known or server._takes_any_path):
                        self._send(404, _error(404, f"no such path: {self.path}"))
                    elif fault is None:
                        self._send(200, server._reply(request))
                    else:
                        self._fail(fault)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    server._release()

            def log_message(self, *_: object) -> None:
                pass

            def _fail(self, fault: Fault) -> None:
                if fault.kind == "reply":
                    body = _error(fault.status) if fault.body is None else fault.body
                    self._send(fault.status, body, fault.headers)
                    return
                if fault.kind == "hang":
                    server._closing.wait(30)
                if fault.kind in ("cut", "short"):
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b'{"choices": [')
                if fault.kind == "short":
                    self.close_connection = True
                else:
                    self._reset()

            def _reset(self) -> None:
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

            def _send(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
                is_text = isinstance(body, str)
                data = (body if is_text else json.dumps(body)).encode()
                self.send_response(status)
                own = {"Content-Type": "text/html" if is_text else "application/json", "Content-Length": str(len(data))}
                for name, value in {**own, **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        return Handler


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, a burst of connections is partly reset

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _count_tokens(messages: Chat, text: str) -> tuple[int, int]:
    return sum(len(message["content"].encode()) for message in messages), len(text.split())


def _error(status: int, message: str = "the server is not well") -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": status}}
