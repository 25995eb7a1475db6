"""Finding models: the Hugging Face hub, played by a server on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.targets.local_checkpoint import load_checkpoint


class _Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HTTPServer]:
    """A hub without any model."""
    server = HTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_id_the_hub_does_not_know_is_a_config_error(hub: HTTPServer) -> None:
    """A typo in the name is the user's to correct."""
    with pytest.raises(ConfigError, match=r"target\.model: somebody/nothing: no such folder"):
        load_checkpoint("somebody/nothing")


def test_a_hub_out_of_reach_is_a_target_error(hub: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is not the config's fault."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TargetError, match="can't be reached"):
        load_checkpoint("somebody/nothing")
