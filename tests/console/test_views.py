"""Which view of training an output gets, and how each ends."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console
from rich.live import Live

from promptrl.console import failures_as_events, training_view
from promptrl.console.live_view import LiveView
from promptrl.errors import StopRequestedError, TargetError
from promptrl.evaluation.doubts import Doubt
from promptrl.experiment.events import CallsMade, MeasurementDoubted, RunStarted
from promptrl.llm.engine.stats import EngineStats
from promptrl.stats.power import split_power

CODE = """\
from promptrl.console import training_view
with training_view(as_json=False) as view:
    name = type(view).__name__
print(name)
"""


@pytest.mark.parametrize(
    ("ci", "view"), [(None, "LiveView"), ("", "LiveView"), ("false", "LiveView"), ("true", "PlainView")]
)
def test_a_terminal_gets_a_live_panel_unless_it_is_that_of_ci(ci: str | None, view: str) -> None:
    """A redrawn panel would fill the log of a CI job."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    environment |= {"TERM": "xterm"} | ({} if ci is None else {"CI": ci})
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
        )
    finally:
        os.close(theirs)
        os.close(ours)
    assert done.stdout.strip() == view


@pytest.mark.parametrize(("error", "code"), [(TargetError("no answer"), 4), (StopRequestedError(2), 130)])
def test_json_lines_end_with_how_a_run_failed(
    capsys: pytest.CaptureFixture[str], error: TargetError | StopRequestedError, code: int
) -> None:
    """Whoever follows the lines learns what went wrong and the exit code; the error goes on its way."""
    with pytest.raises(type(error)), failures_as_events(as_json=True):
        raise error
    told = {"event": "run_failed", "run_id": "", "error": str(error), "exit_code": code}
    assert json.loads(capsys.readouterr().out) == told


def test_the_line_of_a_run_that_failed_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it fails before it starts again."""
    with pytest.raises(TargetError), training_view(as_json=True, run_id="toy-0001"):
        raise TargetError("no answer")
    assert json.loads(capsys.readouterr().out)["run_id"] == "toy-0001"


@pytest.fixture
def calls_made() -> CallsMade:
    """The last batch of a search in bad weather."""
    engine = EngineStats(
        calls=40,
        cached=4,
        paid=47,
        retried=9,
        failed={"timeout": 2},
        faults={"no_answer": 31},
        in_flight=0,
        concurrency=6,
        prompt_tokens=900,
        completion_tokens=90,
        cost_usd=0.5,
        latency_p50_s=0.8,
        latency_p95_s=2.25,
    )
    return CallsMade("search", 40, 40, 40, 47, 4, 0.5, engine)


def test_people_see_what_the_engine_does(calls_made: CallsMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls at once, retries, what is missing and why, latencies, tokens."""
    with pytest.MonkeyPatch.context() as patch, training_view(as_json=False) as view:
        patch.setenv("CI", "true")
        view.observe(calls_made)
    line = capsys.readouterr().err
    assert " calls/s, 6 at once · 4 cached · 9 retried, 2 missing (timeout), 31 no_answer · " in line
    assert " · 990 tokens · $0.50" in line
    assert "latency 0.8 s, 95 % 2.2 s" in line
    assert "4 cached" in line


def test_programs_get_the_counters_of_the_engine(calls_made: CallsMade, capsys: pytest.CaptureFixture[str]) -> None:
    """In every line about calls."""
    with training_view(as_json=True) as view:
        view.observe(calls_made)
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "calls_made"
    assert line["engine"]["failed"] == {"timeout": 2}
    assert line["engine"]["latency_p95_s"] == 2.25


DOUBT = Doubt("same_score", "choice", True, 64, 64, "r1", "[red]1", "1.0", "All 64 answers score 0, as '[red]1'.")
DOUBTED = MeasurementDoubted("search", (DOUBT,))


def test_a_log_tells_a_doubt_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not again with each further answer, but again when it had gone; markup in answers is text."""
    with pytest.MonkeyPatch.context() as patch, training_view(as_json=False) as view:
        patch.setenv("CI", "true")
        for event in (DOUBTED, DOUBTED, MeasurementDoubted("search", ()), DOUBTED):
            view.observe(event)
    assert capsys.readouterr().err == "search: All 64 answers score 0, as '[red]1'.\n" * 2


def test_the_live_panel_shows_doubts_while_they_last() -> None:
    """Below the figures; with the last of them the line goes."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    power = split_power(60, 0.95, min_improvement=0.0, margin=0.02, is_sequential=False)
    started = RunStarted("toy-0001", "runs/toy-0001", {"search": 80}, {"train": 9}, 3, 8, power, 0)
    with Live(console=console, auto_refresh=False) as live:
        view = LiveView(live)
        view.observe(started)
        view.observe(DOUBTED)
        live.refresh()
        assert "All 64 answers score 0, as '[red]1'." in screen.getvalue()
        view.observe(MeasurementDoubted("search", ()))
        screen.truncate(screen.seek(0))
        live.refresh()
        assert "toy-0001" in screen.getvalue()
        assert "All 64 answers" not in screen.getvalue()


def test_programs_get_doubts_with_all_they_rest_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Kind, metric, example and what would help."""
    with training_view(as_json=True) as view:
        view.observe(DOUBTED)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["stage"]) == ("measurement_doubted", "search")
    assert {"kind", "metric", "is_blind", "answer", "reference", "text"} <= line["doubts"][0].keys()
