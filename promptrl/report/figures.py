"""What can be drawn of a run, and how a page holds it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from promptrl.report import plots, wording
from promptrl.report.curves import running_mean
from promptrl.report.plots import Bar, Cell, PlottedScore
from promptrl.report.record import RunRecord
from promptrl.safe_text import printable

MAX_EFFECTS = 24

DrawFigure = Callable[[bool], str]

_LABELS = {
    "curve": "Scores of the search against calls, with held-out scores",
    "winner": "What each edit is worth in the prompt that won the finals",
    "effects": "What each edit does on average over all prompts",
    "interactions": "Which pairs of edits help or spoil each other",
    "improvement": "Improvement over the baseline on test rows",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as wide and as narrow screens show it, both in the page's colours."""

    wide: Markup
    narrow: Markup


def as_figure(name: str, draw: DrawFigure, prefix: str = "") -> Figure:
    """A drawing as the page holds it; ``prefix`` tells its ids from those of the same figure of another run."""
    label = _LABELS[name]
    wide, narrow = (Markup(plots.inline(draw(is_narrow), label, prefix)) for is_narrow in (False, True))  # noqa: S704 - our own SVG
    return Figure(wide, narrow)


def draw_run(record: RunRecord) -> dict[str, DrawFigure]:
    """What can be drawn of this run, by name."""
    found: dict[str, DrawFigure] = {}
    curve = running_mean(record.outcomes)
    if curve is not None:
        held_out, search_calls = list(_held_out_scores(record)), record.result["calls"]["search"]
        found["curve"] = lambda is_narrow: plots.curve_plot(curve, held_out, search_calls, is_narrow=is_narrow)
    of_winner = _bars(record.attribution.get("winner", ()))
    if of_winner:
        found["winner"] = _intervals(of_winner, "winner", "points lost without it, on validation rows")
    effects = _bars(_strongest(record.attribution.get("effects", ())))
    if effects:
        found["effects"] = _intervals(effects, "effects", "points, mean over all prompts of the space")
    edits = list(_paired_edits(record))
    place = {_identity(edit): at for at, edit in enumerate(edits)}
    cells = [
        Cell(
            place[_identity(pair["first"])],
            place[_identity(pair["second"])],
            pair["strength"],
            pair["low"] > 0 or pair["high"] < 0,
        )
        for pair in record.attribution.get("interactions", ())
    ]
    if cells:
        labels = [short_label(edit) for edit in edits]
        found["interactions"] = lambda is_narrow: plots.interaction_map(cells, labels, is_narrow=is_narrow)
    return found


def draw_improvements(records: Sequence[RunRecord]) -> DrawFigure | None:
    """How much better than its baseline each run's winner is; None where no run was tested."""
    bars = [
        Bar(printable(r.run_id), m["score"], m["low"], m["high"])
        for r in records
        if (m := r.result["improvement"]["test"])
    ]
    return _intervals(bars, "improvement", "points over the baseline") if bars else None


def short_label(edit: Mapping[str, Any]) -> str:
    """What an edit does, cut to what a figure has room for."""
    return printable(wording.edit_label(edit), plots.MAX_LABEL)


def _paired_edits(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """The edits of all pairs, in the order of the prompt as far as it is known."""
    yield from record.attribution.get("attention", ())
    for pair in record.attribution.get("interactions", ()):
        yield from (pair["first"], pair["second"])


def _identity(edit: Mapping[str, Any]) -> tuple[object, ...]:
    """What tells an edit from others: two may have one label."""
    return edit["edit"], edit.get("slot"), edit.get("text")


def _intervals(bars: Sequence[Bar], name: str, axis: str) -> DrawFigure:
    return lambda is_narrow: plots.interval_plot(bars, is_narrow=is_narrow, name=name, axis=axis)


def _held_out_scores(record: RunRecord) -> Iterable[PlottedScore]:
    for split in ("validation", "test"):
        for label in ("baseline", "winner"):
            entry = record.result[label][split]
            if entry:
                yield PlottedScore(split, label == "winner", entry["score"], entry["low"], entry["high"])


def _bars(effects: Iterable[Mapping[str, Any]]) -> list[Bar]:
    return [
        Bar(_if_pruned(found) + short_label(found), found["effect"], found["low"], found["high"], _is_pruned(found))
        for found in effects
    ]


def _is_pruned(found: Mapping[str, Any]) -> bool:
    return bool(found.get("is_pruned"))


def _if_pruned(found: Mapping[str, Any]) -> str:
    return "pruned: " if _is_pruned(found) else ""


def _strongest(effects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    kept = sorted(effects, key=lambda found: -abs(found["effect"]))[:MAX_EFFECTS]
    return sorted(kept, key=lambda found: -found["effect"])
