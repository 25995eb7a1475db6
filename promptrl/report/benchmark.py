"""Algorithms side by side over seeds: what they reach, how far seeds differ, and how fast they get there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BAND = 0.9
GRID_POINTS = 200
COLOURS = ("#0a62b0", "#bd4f00", "#1b7f5c", "#8a3f8f", "#8a6d00", "#c0392b", "#4a5560", "#5b8fd9", "#d98a5b", "#7a9a01")
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class BenchRun:
    """One finished run of a benchmark.

    Attributes:
        algorithm: Which one searched.
        seed: Of the run.
        run_id: Folder name.
        validation: The winner's mean score on validation rows; None when it was never asked there.
        test: Its mean score on test rows; None when it is the baseline, which is then not asked.
        baseline_test: The baseline's, likewise.
        gain: Winner minus baseline on test rows, paired; 0 when the winner is the baseline.
        verdict: Of the run.
        calls: Answers used, cached or not.
        paid: Attempts sent.
        own_s: Seconds of the search that went into computing rather than waiting for answers; None when unknown.
        search_calls: Answers that the search used.
    """

    algorithm: str
    seed: int
    run_id: str
    validation: float | None
    test: float | None
    baseline_test: float | None
    gain: float
    verdict: str
    calls: int
    paid: int
    own_s: float | None
    search_calls: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over seeds: mean, standard deviation (0 for a single seed), 10th and 90th percentile."""

    mean: float
    sd: float
    p10: float
    p90: float


@dataclass(frozen=True, slots=True)
class RankedAlgorithm:
    """What an algorithm reached.

    Attributes:
        algorithm: Its name.
        runs: How many.
        improved: Runs with the verdict "improved".
        validation: The winners' scores on validation rows.
        test: On test rows; a winner that is the baseline has the baseline's score.
        gain: On test rows against the baseline.
        calls: Mean answers used.
        own_s_per_1000_calls: Seconds of its own computing per 1,000 search calls, mean.
    """

    algorithm: str
    runs: int
    improved: int
    validation: Spread | None
    test: Spread | None
    gain: Spread
    calls: float
    own_s_per_1000_calls: float | None


@dataclass(frozen=True, slots=True)
class SearchPath:
    """How one search's estimate of the best prompt went.

    Attributes:
        calls: Search calls so far, ascending, shape (n,).
        best: Estimated objective of the prompt then in the lead, shape (n,).
    """

    calls: Floats
    best: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """Estimates against calls over seeds, all of shape (n_points,); nine of ten seeds lie within low and high."""

    calls: Floats
    mean: Floats
    low: Floats
    high: Floats


def rank_algorithms(runs: Sequence[BenchRun]) -> list[RankedAlgorithm]:
    """One line per algorithm, the largest mean gain first."""
    known = [run.baseline_test for run in runs if run.baseline_test is not None]
    baseline = float(np.mean(known)) if known else None
    names = dict.fromkeys(run.algorithm for run in runs)
    ranking = [_rank(name, [run for run in runs if run.algorithm == name], baseline) for name in names]
    return sorted(ranking, key=lambda ranked: -ranked.gain.mean)


def _rank(name: str, runs: Sequence[BenchRun], baseline: float | None) -> RankedAlgorithm:
    gain = spread([run.gain for run in runs])
    timed = [1000 * run.own_s / run.search_calls for run in runs if run.own_s is not None and run.search_calls]
    if gain is None:
        raise ValueError(f"{name} has no run")
    return RankedAlgorithm(
        algorithm=name,
        runs=len(runs),
        improved=sum(run.verdict == "improved" for run in runs),
        validation=spread([run.validation for run in runs]),
        test=spread([baseline if run.test is None else run.test for run in runs]),
        gain=gain,
        calls=float(np.mean([run.calls for run in runs])),
        own_s_per_1000_calls=float(np.mean(timed)) if timed else None,
    )


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean and spread of what is known; None when nothing is."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    p10, p90 = np.percentile(known, [10, 90])
    sd = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    return Spread(float(known.mean()), sd, float(p10), float(p90))


def band(paths: Sequence[SearchPath]) -> Band | None:
    """The band of several searches, from where each of them has an estimate; None without any.

    Between two events, and after its last one, a search's estimate is the latest that it reported.
    """
    paths = [path for path in paths if len(path.calls)]
    if not paths:
        return None
    first, last = max(path.calls[0] for path in paths), max(path.calls[-1] for path in paths)
    grid = np.unique(np.linspace(first, last, GRID_POINTS).round()).astype(np.float64)
    values = np.stack([path.best[np.searchsorted(path.calls, grid, side="right") - 1] for path in paths])
    low, high = np.percentile(values, [50 * (1 - BAND), 50 * (1 + BAND)], axis=0)
    return Band(grid, values.mean(axis=0), low, high)


def draw_bands(bands: Mapping[str, Band], files: Sequence[Path]) -> None:
    """Draw every algorithm's band, each file in the format of its ending."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(7.4, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for at, (name, drawn) in enumerate(bands.items()):
            colour, line = COLOURS[at % len(COLOURS)], LINES[at % len(LINES)]
            axes.fill_between(drawn.calls, drawn.low, drawn.high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(drawn.calls, drawn.mean, line, color=colour, linewidth=1.8, label=name)
        axes.set_xlabel("search calls to the model")
        axes.set_ylabel("objective of the prompt estimated best\n(the search's own estimate on train rows)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False, loc="lower right", title=f"mean, band of {100 * BAND:.0f} % of the seeds")
        for file in files:
            figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
