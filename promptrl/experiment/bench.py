"""Trains one config with several algorithms over several seeds, at the same budget, and compares what they reach."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from promptrl.config import ExperimentConfig, load_config
from promptrl.errors import GatheredProblems, UsageError
from promptrl.experiment.build import Components, build_components
from promptrl.experiment.engines import CACHE_NAME, Engines, check_target
from promptrl.experiment.events import BestEstimated, CallsMade, Event, RunStarted
from promptrl.experiment.train import resume, train
from promptrl.report.benchmark import Band, BenchRun, RankedAlgorithm, SearchPath, band, draw_bands, rank_algorithms
from promptrl.runs.folder import Run
from promptrl.runs.runs_folder import RunsFolder
from promptrl.runs.writing import writing
from promptrl.search.algorithms import ALGORITHMS
from promptrl.search.searches import load_search

PATH_NAME = "path.csv"
"""File in a run's folder: how the search's estimate of the best prompt went."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A finished benchmark.

    Attributes:
        folder: Where its runs and figures are.
        runs: Every run, by seed, then in the order of the algorithms.
        ranking: One per algorithm, the best first.
    """

    folder: Path
    runs: tuple[BenchRun, ...]
    ranking: tuple[RankedAlgorithm, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``bench --json`` prints: ``format``, ``folder``, ``algorithms`` (best first) and ``runs``."""
        return {
            "format": 1,
            "folder": str(self.folder),
            "algorithms": [asdict(ranked) for ranked in self.ranking],
            "runs": [asdict(run) for run in self.runs],
        }


def run_bench(
    path: Path,
    algorithms: Sequence[str],
    seeds: int,
    *,
    overrides: Sequence[str] = (),
    runs_dir: Path | None = None,
    engines: Engines,
    on_run: Callable[[BenchRun], None] = lambda run: None,
) -> Bench:
    """Train with each algorithm and seed, as far as that was not done before, and write tables and plots.

    The runs are ordinary run folders in ``<runs_dir>/bench-<name>``; they share the answer cache of ``runs_dir``.

    Args:
        path: The config. Its ``algorithm.params`` count for its own algorithm only, its other keys of ``algorithm``
            for those that read them.
        algorithms: Names that ``algorithm.name`` takes.
        seeds: How many: the config's seed and those after it.
        overrides: ``key.path=value`` each.
        runs_dir: Where the benchmark's folder goes; None = ``output.runs_dir`` of the config.
        engines: Where the target is opened.
        on_run: Called with each run when it is done, also of those done before.

    Raises:
        ConfigError: Something is wrong with the config or an algorithm; nothing was asked.
        PromptrlError: A run could not be finished; calling again goes on from there.
    """
    own = load_config(path, overrides)
    runs = RunsFolder(runs_dir or Path(own.config.output.runs_dir))
    folder = RunsFolder(runs.path / f"bench-{own.config.name}")
    jobs = _plan(path, list(dict.fromkeys(algorithms)), seeds, overrides, runs.path)
    for place in (runs, folder):
        place.make()
    _import_searches(algorithms)
    done = []
    for job in jobs:
        run = _finished(job, folder, engines)
        done.append(_describe(run, job.config))
        on_run(done[-1])
    bench = Bench(folder.path, tuple(done), tuple(rank_algorithms(done)))
    with writing(bench.folder):
        _write(bench)
    return bench


def _plan(
    path: Path, algorithms: Sequence[str], seeds: int, overrides: Sequence[str], runs_dir: Path
) -> list[Components]:
    """One job per seed and algorithm, seed by seed, so that what is done at any time can be compared."""
    if not algorithms or seeds < 1:
        raise UsageError("a benchmark needs at least one algorithm and one seed")
    own = load_config(path, overrides).config
    shared = [] if own.cache.path else [f"cache.path={runs_dir.absolute() / CACHE_NAME}"]
    components = _build_all(path, algorithms, overrides, own.algorithm.name)
    jobs = []
    for seed in range(own.seed, own.seed + seeds):
        for name in algorithms:
            changes = [*overrides, *shared, *_select(name, own.algorithm.name)]
            loaded = load_config(path, [*changes, f"name={name}-s{seed:02d}", f"seed={seed}"], drops_unread=True)
            jobs.append(replace(components[name], loaded=loaded))
    return jobs


def _build_all(path: Path, algorithms: Sequence[str], overrides: Sequence[str], own: str) -> dict[str, Components]:
    """The components of each algorithm's runs, which no seed changes.

    Raises:
        ConfigError: With the problems of all of them.
    """
    components: dict[str, Components] = {}
    problems = GatheredProblems()
    for name in algorithms:
        with problems.caught():
            loaded = load_config(path, [*overrides, *_select(name, own)], drops_unread=True)
            components[name] = build_components(loaded)
            check_target(components[name])
    problems.check()
    return components


def _select(name: str, own: str) -> list[str]:
    """Overrides that choose an algorithm, without hyperparameters and a start that are made for another."""
    others = [] if name == own else ["algorithm.params={}"]
    if name not in ALGORITHMS or not ALGORITHMS[name].fits_builtin:
        others.append("warm_start=none")
    return [f"algorithm.name={name}", *others]


def _import_searches(algorithms: Iterable[str]) -> None:
    """Import now what searches import when they begin, lest the first run's computing time holds it."""
    import promptrl.selection.finalists

    for algorithm in (ALGORITHMS[name] for name in algorithms):
        if algorithm.is_agent:
            import promptrl.search.live.search
            import promptrl.search.planned.search  # noqa: F401 - to have it loaded
        else:
            load_search(algorithm.name)
        if algorithm.package:
            import_module(algorithm.package)


def _finished(job: Components, folder: RunsFolder, engines: Engines) -> Run:
    """The job's run: as it was finished before, resumed, or trained now."""
    earlier = _find(job, folder)
    if earlier is not None and earlier.status == "done":
        return earlier
    recorder = _PathRecorder()
    if earlier is not None:
        return resume(earlier, engines=engines, observers=[recorder.observe]).run
    return train(job, runs_dir=folder.path, engines=engines, observers=[recorder.observe]).run


def _find(job: Components, folder: RunsFolder) -> Run | None:
    """The newest run of the same config on the same data; one that has not got as far as its config doesn't count."""
    for run in folder.all():
        is_same_data = run.info.get("data_hash") == job.data_hash
        if is_same_data and run.config_text == job.loaded.resolved_yaml():
            return run
    return None


class _PathRecorder:
    """Writes down how a search's estimate of the best prompt went, when it is over."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._calls = 0
        self._rows: list[tuple[int, BestEstimated]] = []

    def observe(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, RunStarted):
            self._run = Run(Path(event.path))
        elif isinstance(event, CallsMade) and event.stage == "search":
            self._calls = event.used
        elif isinstance(event, BestEstimated):
            self._rows.append((self._calls, event))
        elif isinstance(event, CallsMade) and self._run is not None and self._rows:
            header = ("calls", "objective", "deviation", "baseline", "prompt_id")
            rows = [(calls, b.objective, b.deviation, b.baseline, b.prompt_id) for calls, b in self._rows]
            self._run.write_text(PATH_NAME, _csv(header, rows))
            self._rows = []


def _describe(run: Run, config: ExperimentConfig) -> BenchRun:
    result = run.result or {}
    measured = result["improvement"]["test"]

    def score(label: str, split: str) -> float | None:
        entry = result[label][split]
        return None if entry is None else float(entry["score"])

    return BenchRun(
        algorithm=config.algorithm.name,
        seed=config.seed,
        run_id=run.id,
        validation=score("winner", "validation"),
        test=score("winner", "test"),
        baseline_test=score("baseline", "test"),
        gain=float(measured["score"]) if measured else 0.0,
        verdict=str(result["verdict"]),
        calls=int(result["calls"]["total"]),
        paid=int(result["calls"]["paid"]),
        own_s=run.info.get("search_own_s"),
        search_calls=int(result["calls"]["search"]),
    )


def _write(bench: Bench) -> None:
    """``results.csv``, ``curves.csv``, ``curves.svg`` and ``curves.png``."""
    names = [field.name for field in fields(BenchRun)]
    _write_text(bench.folder / "results.csv", _csv(names, [astuple(run) for run in bench.runs]))
    bands = {}
    for ranked in bench.ranking:
        ids = [run.run_id for run in bench.runs if run.algorithm == ranked.algorithm]
        drawn = band([_read_path(bench.folder / run_id / PATH_NAME) for run_id in ids])
        if drawn is not None:
            bands[ranked.algorithm] = drawn
    _write_text(bench.folder / "curves.csv", _csv(("algorithm", "calls", "mean", "low", "high"), _band_rows(bands)))
    draw_bands(bands, [bench.folder / "curves.svg", bench.folder / "curves.png"])


def _band_rows(bands: Mapping[str, Band]) -> list[tuple[object, ...]]:
    return [
        (name, int(calls), round(mean, 6), round(low, 6), round(high, 6))
        for name, drawn in bands.items()
        for calls, mean, low, high in zip(drawn.calls, drawn.mean, drawn.low, drawn.high, strict=True)
    ]


def _read_path(file: Path) -> SearchPath:
    """A recorded search; empty when there is no file."""
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) if file.is_file() else []
    return SearchPath(
        np.array([float(row["calls"]) for row in rows]), np.array([float(row["objective"]) for row in rows])
    )


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
