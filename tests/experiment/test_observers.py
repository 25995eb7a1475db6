"""Any number of observers are told the same events, and none of them can end a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from promptrl.errors import StopRequestedError
from promptrl.experiment import train as training
from promptrl.experiment.build import build_components
from promptrl.experiment.events import Event, RunFinished
from promptrl.experiment.observers import Observers, ObserverWarning, watched
from promptrl.runs.folder import Run
from promptrl.runs.trained import TrainedRun
from promptrl.search.events import Figures
from promptrl.trackers.base import TrackerKind
from promptrl.trackers.registry import TRACKERS
from tests.servers.toy_model import write_experiment


class Listing:
    """A tracker that lists what it is told; may fail at the first figures."""

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[str] = []
        self._fails = fails

    def start(self, run: Path, config: Mapping[str, Any]) -> None:
        """List the run and the name in its config."""
        self.told.append(f"{run.name} {config['name']}")

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """List the step."""
        if self._fails:
            raise ConnectionError("no route to the dashboard")
        self.told.append("figures")

    def finish(self, result: Mapping[str, Any] | None) -> None:
        """List the verdict."""
        self.told.append(str(result and result["verdict"]))


def test_an_observer_that_fails_is_dropped_and_told_once() -> None:
    """The others go on."""
    told: list[Event] = []

    def fail(event: Event) -> None:
        raise OSError("disk full")

    observers = Observers([fail, told.append])
    with pytest.warns(ObserverWarning, match="fail is told no more of this run: OSError: disk full"):
        observers(Figures(1, {}))
    observers(Figures(2, {}))  # a second warning would be an error
    assert told == [Figures(1, {}), Figures(2, {})]


def test_a_signal_is_not_taken_for_a_failure() -> None:
    """It may arrive while an observer works, and must end the run."""

    def interrupted(event: Event) -> None:
        raise StopRequestedError(2)

    with pytest.raises(StopRequestedError):
        Observers([interrupted])(Figures(1, {}))


def test_a_tracker_is_finished_also_when_the_run_is_not() -> None:
    """It learns that there is no result."""
    tracker = Listing()
    with pytest.raises(KeyboardInterrupt), watched([], [tracker], {"name": "x"}):
        raise KeyboardInterrupt
    assert tracker.told == ["None"]


class Stopped(Listing):
    """A tracker that a signal arrives in."""

    def __init__(self, *, at: str) -> None:
        super().__init__()
        self._at = at

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Be interrupted, or list the step."""
        if self._at == "log":
            raise StopRequestedError(2)
        super().log(figures, step)

    def finish(self, result: Mapping[str, Any] | None) -> None:
        """List the verdict, and be interrupted."""
        super().finish(result)
        if self._at == "finish":
            raise StopRequestedError(2)


@pytest.mark.parametrize("at", ["log", "finish"])
def test_a_signal_within_a_tracker_ends_the_run(at: str) -> None:
    """It is no fault of the tracker, and each tracker is finished once."""
    stopped, others = Stopped(at=at), [Listing(), Listing()]
    with pytest.raises(StopRequestedError), watched([], [others[0], stopped, others[1]], {"name": "x"}) as observe:
        observe(Figures(1, {}))
    assert stopped.told[-1:] == ["None"]
    assert stopped.told.count("None") == 1
    assert [other.told[-1] for other in others] == ["None", "None"]


def test_a_run_that_is_done_stays_so_when_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may arrive while observers are told that it is finished."""
    monkeypatch.setattr(training, "write_report", lambda run, result, components: None)
    loaded = load_config(write_experiment(tmp_path), ["budget.max_calls=300"])

    def stop(event: Event) -> None:
        if isinstance(event, RunFinished):
            raise StopRequestedError(15)

    with pytest.raises(StopRequestedError) as stopped:
        training.train(build_components(loaded), runs_dir=tmp_path / "runs", observers=[stop])
    run = Run(tmp_path / "runs/toy-0001")
    assert (run.status, run.info["status"]) == ("done", "done")
    assert not hasattr(stopped.value, "__notes__")


@pytest.mark.parametrize("fails", [False, True])
def test_a_kind_of_tracker_is_one_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """It logs a run from start to verdict; one that fails is told, and the run is done all the same."""
    tracker, other = Listing(fails=fails), Listing()
    registered = {"listing": TrackerKind(lambda: tracker, "json", ""), "other": TrackerKind(lambda: other, "json", "")}
    monkeypatch.setattr(training, "TRACKERS", {**TRACKERS, **registered})
    monkeypatch.setattr("promptrl.experiment.needs.TRACKERS", {**TRACKERS, **registered})
    monkeypatch.setattr(training, "write_report", lambda run, result, components: None)
    loaded = load_config(write_experiment(tmp_path), ["budget.max_calls=300"])
    object.__setattr__(loaded.config, "trackers", ("listing", "other"))
    events: list[Event] = []

    def carry_out() -> TrainedRun:
        return training.train(build_components(loaded), runs_dir=tmp_path / "runs", observers=[events.append])

    if fails:
        with pytest.warns(ObserverWarning, match="Listing is told no more of this run: ConnectionError"):
            trained = carry_out()
    else:
        trained = carry_out()
    logged = sum(isinstance(event, Figures) for event in events)
    assert logged > 0
    whole = ["toy-0001 toy", *["figures"] * logged, trained.result["verdict"]]
    assert other.told == whole
    assert tracker.told == (whole[:1] if fails else whole)
    assert len((trained.run.path / "progress.csv").read_text().splitlines()) == logged + 1
