"""How training is watched: a live panel on a terminal, plain lines elsewhere, JSON lines for programs."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from promptrl.console.doctor import judge_line
from promptrl.console.screen import (
    STOPPING,
    clean,
    people,
    print_data,
    print_markup,
    print_text,
    show_message,
    show_stopping,
)
from promptrl.console.tables import money, points, prospects, show_result
from promptrl.errors import OutputLostError, PromptrlError
from promptrl.evaluation.doubts import Doubt
from promptrl.experiment.events import (
    BestEstimated,
    CallsMade,
    EditsProposed,
    Event,
    FinalistsCompared,
    JudgeChecked,
    MeasurementDoubted,
    RunFinished,
    RunStarted,
)
from promptrl.llm.engine.stats import EngineStats
from promptrl.outputs import people_fault
from promptrl.prompts.proposer.operators import NO_OPERATOR
from promptrl.report.numbers import duration
from promptrl.safe_text import printable
from promptrl.search.events import Figures
from promptrl.tasks.metrics.judge_check import JudgeCheck

PLAIN_INTERVAL_S = 10.0
MAX_FAULT = 300
SLOW_S = 0.1
"""Latencies below this are not worth a place on the screen."""


class View(Protocol):
    """Someone who watches one training and shows it: on a screen, in a log, or as JSON lines."""

    def observe(self, event: Event) -> None:
        """Take note of an event."""

    def show_stopping(self) -> None:
        """Say that the run ends after the calls in flight; from any thread."""


class JsonView:
    """One JSON object per event on stdout; ``event`` names its kind and ``run_id`` the run.

    Args:
        run_id: The run; empty = that of the event that it starts.
    """

    def __init__(self, run_id: str = "") -> None:
        self._run_id = run_id

    def observe(self, event: Event) -> None:
        """Print the event on one line, with ``event`` (its class in snake case) and ``run_id`` first."""
        if isinstance(event, Figures):  # for trackers: their names and number depend on the algorithm
            return
        if isinstance(event, RunStarted):
            self._run_id = event.run_id
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        _print_event({"event": kind, "run_id": self._run_id, **asdict(event)})

    def show_stopping(self) -> None:
        """Say so to people: for programs the last event tells it."""
        show_stopping()

    def fail(self, error: PromptrlError) -> None:
        """Print how the run ended that did not finish, or why none began."""
        code = error.exit_code
        _print_event({"event": "run_failed", "run_id": self._run_id, "error": str(error), "exit_code": code})


class _Progress:
    """What is known so far of a run, kept up to date by its events."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.calls: dict[str, CallsMade] = {}
        self.last: CallsMade | None = None
        self.best: BestEstimated | FinalistsCompared | None = None
        self.doubts: tuple[Doubt, ...] = ()
        self.judges: list[str] = []
        self.proposed = ""
        self.begun_s = time.monotonic()
        self.is_over = False

    def take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.started = event
            self.begun_s = time.monotonic()
        elif isinstance(event, JudgeChecked):
            self.judges += _judge_lines(event.check)
        elif isinstance(event, EditsProposed):
            self.proposed = _proposed_line(event)
        elif isinstance(event, CallsMade):
            self.calls[event.stage] = self.last = event
        elif isinstance(event, BestEstimated | FinalistsCompared):
            self.best = event
        elif isinstance(event, MeasurementDoubted):
            self.doubts = event.doubts
        elif isinstance(event, RunFinished):
            self.best, self.doubts, self.is_over = None, (), True

    @property
    def calls_per_s(self) -> float:
        elapsed_s = time.monotonic() - self.begun_s
        return self.last.total / elapsed_s if self.last and elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left if the calls allowed are all used at the present pace; None when unknown or over."""
        if self.is_over or not (self.started and self.last and self.calls_per_s):
            return None
        stages = list(self.started.calls)
        later = sum(self.started.calls[stage] for stage in stages[stages.index(self.last.stage) + 1 :])
        return (self.last.allowed - self.last.used + later) / self.calls_per_s

    def figures(self) -> str:
        """Pace, cache, faults, latency, tokens, money and time left in one line."""
        last = self.last
        if last is None:
            return ""
        left = "" if self.left_s is None else f" · about {duration(int(self.left_s))} left"
        cached = f" · {last.cached:,} cached" if last.cached else ""
        faults = f" · {_faults(last.engine)}" if _has_faults(last.engine) else ""
        p95_s = last.engine.latency_p95_s or 0.0
        latency = f" · latency {last.engine.latency_p50_s:.2g} s, 95 % {p95_s:.2g} s" if p95_s >= SLOW_S else ""
        tokens = last.engine.prompt_tokens + last.engine.completion_tokens
        used = f" · {tokens:,} tokens" if tokens else ""
        pace = f"{self.calls_per_s:,.0f} calls/s, {last.engine.concurrency} at once"
        return f"{pace}{cached}{faults}{latency}{used} · {money(last.cost_usd)}{left}"

    def best_line(self) -> str:
        """How the best prompt stands against the baseline, as far as that is known."""
        best = self.best
        if isinstance(best, BestEstimated):
            return (
                f"best objective {best.objective:.3f} ± {best.deviation:.3f} (estimate), baseline {best.baseline:.3f}"
            )
        if isinstance(best, FinalistsCompared):
            ahead = f"{points(best.difference)} points against the baseline on {best.rows} validation rows"
            return f"leader {ahead}, {best.left} left"
        return ""


class PlainView:
    """A line when a stage begins or ends and every ten seconds: for logs.

    Args:
        is_alone: Whether no other run writes lines; else each begins with the run's name.
    """

    def __init__(self, *, is_alone: bool = True) -> None:
        self._is_alone = is_alone
        self._progress = _Progress()
        self._last_line_s = 0.0

    def observe(self, event: Event) -> None:
        """Print a line if there is news."""
        before, doubts_before = self._progress.last, self._progress.doubts
        self._progress.take(event)
        now_s = time.monotonic()
        if isinstance(event, RunStarted):
            print_markup(f"{clean(event.run_id)}: {_extent(event)}")
            for line in (*_warnings(event), *prospects(event.power, event.test_uses)):
                print_markup(line)
            self._last_line_s = now_s
        elif isinstance(event, JudgeChecked):
            for line in _judge_lines(event.check):
                print_markup(self._name + line)
        elif isinstance(event, EditsProposed):
            print_markup(self._name + _proposed_line(event))
        elif isinstance(event, CallsMade):
            is_new_stage = before is not None and before.stage != event.stage
            if is_new_stage or event.used == event.allowed or now_s - self._last_line_s >= PLAIN_INTERVAL_S:
                self._last_line_s = now_s
                line = f"{event.stage}: {event.used:,}/{event.allowed:,} calls · {self._progress.figures()}"
                best = self._progress.best_line()
                print_markup(self._name + line + (f" · {best}" if best else ""))
        elif isinstance(event, MeasurementDoubted):
            known = {doubt.about for doubt in doubts_before}
            for doubt in event.doubts:
                if doubt.about not in known:
                    print_markup(f"{self._name}{event.stage}: [yellow]{clean(doubt.text)}[/]")
        elif isinstance(event, RunFinished):
            show_result(event.result, Path(event.path), people())

    def show_stopping(self) -> None:
        """Print it on a line."""
        show_stopping()

    @property
    def _name(self) -> str:
        """What lines begin with: the run, where others write lines too."""
        started = self._progress.started
        return "" if self._is_alone or started is None else f"{started.run_id}: "


class LiveView:
    """A panel that redraws itself on a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._progress = _Progress()

    def observe(self, event: Event) -> None:
        """Redraw; at the end leave the result on the screen."""
        self._progress.take(event)
        if isinstance(event, RunFinished):
            self._live.update(self._panel(), refresh=True)
            self._live.stop()
            show_result(event.result, Path(event.path), people())
        else:
            self._live.update(self._panel())

    def show_stopping(self) -> None:
        """Print it above the panel, on the console that draws that."""
        self._live.console.print(STOPPING)

    def _panel(self) -> Group:
        progress = self._progress
        started = progress.started
        if started is None:
            return Group(Text("starting"))
        bars = Table.grid(padding=(0, 1))
        stages = list(started.calls)
        for stage in stages:
            made = progress.calls.get(stage)
            used, allowed = (made.used, made.allowed) if made else (0, started.calls[stage])
            is_over = progress.last is not None and stages.index(stage) < stages.index(progress.last.stage)
            bar = ProgressBar(total=max(1, used if is_over else allowed), completed=used, width=30)
            bars.add_row(stage, bar, f"{used:,}/{allowed:,} calls")
        best = progress.best
        lines: list[RenderableType] = [Text.from_markup(f"[bold]{clean(started.run_id)}[/]  {_extent(started)}")]
        told = (*_warnings(started), *prospects(started.power, started.test_uses))
        lines += [Text.from_markup(line) for line in (*told, *progress.judges)]
        lines.append(bars)
        lines += [Text(line) for line in (progress.figures(), progress.best_line()) if line]
        lines += [Text.from_markup(progress.proposed)] if progress.proposed else []
        lines += [Text.from_markup(f"[yellow]{clean(doubt.text)}[/]") for doubt in progress.doubts]
        if best is not None:
            shown = Text.from_markup(clean(best.text), style="dim")
            shown.truncate(400, overflow="ellipsis")
            lines.append(shown)
        return Group(*lines)


@contextmanager
def failures_as_events(*, as_json: bool) -> Iterator[None]:
    """Let JSON lines end with ``run_failed`` also where an error comes before any run: it goes on its way."""
    try:
        yield
    except PromptrlError as error:
        if as_json:
            JsonView().fail(error)
        raise


@contextmanager
def training_view(*, as_json: bool, is_alone: bool = True, run_id: str = "") -> Iterator[View]:
    """The view that fits the output: JSON lines if asked for, a live panel on a terminal, plain lines elsewhere
    (also on the terminal that some CI services pretend to be).

    Args:
        as_json: JSON lines, however the output looks; the last one says how the run ended.
        is_alone: Whether no other run is shown at the same time: only one panel fits on a terminal.
        run_id: The run, where it is known before it starts.
    """
    if as_json:
        view = JsonView(run_id)
        try:
            yield view
        except PromptrlError as error:
            view.fail(error)
            raise
        return
    try:
        with _view_for_people(is_alone=is_alone) as shown:
            yield shown
    finally:
        if fault := people_fault():
            with suppress(OutputLostError):  # nobody is left
                print_text(f"standard error can't be written: {fault}; promptrl runs show tells how the run went\n")


@contextmanager
def _view_for_people(*, is_alone: bool) -> Iterator[View]:
    console = people()
    if is_alone and console.is_terminal and not console.is_dumb_terminal and sys.stderr.isatty() and not _is_ci():
        with Live(console=console, refresh_per_second=8, transient=False) as live:
            yield LiveView(live)
    else:
        yield PlainView(is_alone=is_alone)


def _print_event(event: Mapping[str, Any]) -> None:
    """Print a JSON line; where nobody reads it, say so once: that ends no run."""
    try:
        print_data(event, as_json=True, is_line=True)
    except OutputLostError as error:
        show_message(f"warning {error}; no more lines are printed")


def _is_ci() -> bool:
    """Whether the environment says ``CI=true``, as every CI service does."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _extent(event: RunStarted) -> str:
    prompts = f"{event.n_prompts:,} prompts, " if event.n_prompts else ""
    rows = ", ".join(f"{count} {split}" for split, count in event.rows.items())
    return f"{prompts}{event.n_edits} edits; {rows} rows"


def _judge_lines(check: JudgeCheck) -> Iterator[str]:
    """As markup."""
    yield f"{clean(check.who)}: {clean(judge_line(check))}"
    for fault in check.faults:
        yield f"[yellow]warning[/] {clean(check.who)} {clean(fault)}"


def _proposed_line(event: EditsProposed) -> str:
    """What came of asking for edits; as markup."""
    round_ = f"proposer, round {event.round} of {event.rounds}"
    if event.operator == NO_OPERATOR:
        return f"{round_}: not asked, for other calls promise more"
    if event.fault:
        return f"{round_}: [yellow]warning[/] {clean(printable(event.fault, MAX_FAULT))}; the search goes on"
    counts = f"{event.proposed} proposed, {event.rejected} rejected, {len(event.kept)} tried"
    return f"{round_} ({clean(event.operator)}): {counts}"


def _warnings(event: RunStarted) -> Iterator[str]:
    """As markup."""
    for warning in event.warnings:
        yield f"[yellow]warning[/] {clean(warning)}"


def _faults(engine: EngineStats) -> str:
    """What went wrong with the target and what was done about it."""
    failed = "".join(f", {count} missing ({kind})" for kind, count in engine.failed.items())
    bad = "".join(f", {count:,} {clean(fault)}" for fault, count in engine.faults.items())
    return f"{engine.retried:,} retried{failed}{bad}"


def _has_faults(engine: EngineStats) -> bool:
    return bool(engine.retried or engine.failed or engine.faults)
