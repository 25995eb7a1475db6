"""Every signal that means the end lets a run be saved on its way out."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from promptrl.cli.signals import signals_as_errors
from promptrl.errors import StopRequestedError
from tests.kills import toy_config
from tests.servers import toy_model
from tests.servers.openai_server import Chat, OpenAIServer


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_raised_where_the_work_is(number: signal.Signals, code: int) -> None:
    """Also the one that a closed terminal sends; afterwards signals do what they did before."""
    outer = signal.signal(number, signal.default_int_handler)  # whatever started the tests may ignore some of them
    try:
        with pytest.raises(StopRequestedError) as stopped, signals_as_errors():
            os.kill(os.getpid(), number)
        assert stopped.value.exit_code == code
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, outer)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_errors() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_requested
    finally:
        signal.signal(signal.SIGHUP, before)


class Stuck:
    """Answers like a model, but from some request on only when it is let go."""

    def __init__(self, first: int) -> None:
        self._left = first
        self._lock = threading.Lock()
        self.is_stuck = threading.Event()
        self.go = threading.Event()

    def answer(self, messages: Chat, params: dict[str, Any]) -> str:
        """Answer, in the end."""
        with self._lock:
            self._left -= 1
            is_late = self._left < 0
        if is_late:
            self.is_stuck.set()
            assert self.go.wait(60)
        return toy_model.answer(messages, params)


class Screen:
    """What a process writes to one end of a terminal or pipe, read as it comes: a full one would hold the process up.

    Args:
        kind: ``terminal`` or ``pipe``.
    """

    def __init__(self, kind: str) -> None:
        self._reading, self.writing = os.openpty() if kind == "terminal" else os.pipe()
        self._seen = b""
        self._is_over = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._is_over:
            try:
                part = os.read(self._reading, 4096)
            except OSError:  # as a terminal says that it is closed
                part = b""
            with self._change:
                self._seen += part
                self._is_over = not part
                self._change.notify_all()
        os.close(self._reading)

    def wait_for(self, words: str) -> str:
        """What a person has seen once these words stand there."""
        with self._change:
            assert self._change.wait_for(lambda: words in self.text or self._is_over, 60), self.text
        return self.text

    def whole(self) -> str:
        """What a person has seen when nobody writes any more."""
        self._thread.join(60)
        return self.text

    @property
    def text(self) -> str:
        """The text without colours; where the cursor moves, a line ends."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self._seen.decode(errors="replace"))
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", text)


@pytest.mark.parametrize(("screen", "is_patient"), [("terminal", True), ("terminal", False), ("pipe", False)])
def test_ctrl_c_says_what_it_waits_for_and_a_second_one_how_to_go_on(
    screen: str, is_patient: bool, tmp_path: Path
) -> None:
    """Each line stands by itself, also beside a live panel; both ways end with 130."""
    model, shown = Stuck(20), Screen(screen)
    with OpenAIServer(model.answer) as server:
        config = toy_config(tmp_path, server.base_url, 200)
        command = [sys.executable, "-m", "promptrl", "train", str(config), "-s", "algorithm={name: random}"]
        environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"TERM": "xterm"}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=shown.writing)
        os.close(shown.writing)
        try:
            assert model.is_stuck.wait(60), shown.text
            process.send_signal(signal.SIGINT)
            seen = shown.wait_for("again to stop at once.")
            assert re.search(r"^Stopping after the calls in flight; again to stop at once\.", seen, re.MULTILINE)
            if is_patient:
                model.go.set()
            else:
                process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            model.go.set()
            process.kill()
            process.wait()
    told = " ".join(shown.whole().split())
    assert re.search(r"promptrl resume \S+ carries it on\.$", told)
    assert ("Stopped at once" in told) is not is_patient
    assert "Traceback" not in told
