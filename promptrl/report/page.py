"""Writes the report of a run: one HTML page that needs nothing else, a summary in Markdown, and the figures.

The page loads nothing: style and figures are inside, and there is no script. Whatever a model or a data set wrote is
escaped by the template engine; nothing but figures drawn here is ever marked as safe.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences, inputs_of
from promptrl.report import numbers, wording
from promptrl.report.figures import Figure, as_figure, draw_improvements, draw_run, short_label
from promptrl.report.prompt_diffs import MAX_PROMPT, finalist_diff, prompt_diff
from promptrl.report.record import RunRecord
from promptrl.report.row_changes import OutcomePair, flips, group_changes, paired_outcomes
from promptrl.safe_text import printable
from promptrl.stats.paired import Comparison, compare_pairs

MAX_FIXED, MAX_BROKEN = 6, 12
MAX_TEXT, MAX_CONFIG = 700, 40_000
MAX_PAIRS_SHOWN = 5

_NOTHING: Mapping[str, Any] = {
    "uniform_answers": 0,
    "effects": (),
    "winner": (),
    "pruning": None,
    "effects_note": None,
    "pruning_note": None,
    "interactions": (),
    "attention": (),
    "depth": None,
    "policy": (),
    "proposals": (),
    "proposer": (),
}
"""What a run without attribution.json says of its edits."""


_METHODS = {
    "exact": "McNemar's exact test, Tango's score interval",
    "betting": "a test by betting, which holds on any number of rows",
    "sequential": "a test by betting, which holds at any time it stops",
    "folds": "a test by betting, which holds on any number of rows",
}
"""How a paired difference was measured, by ``Comparison.method``."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is written beside a run.

    Attributes:
        html: The page.
        summary: The same in brief, Markdown.
        figures: SVG by name, in the colours of the light theme.
    """

    html: str
    summary: str
    figures: Mapping[str, str]


def render_report(record: RunRecord) -> Report:
    """Render everything that is known of a finished run."""
    drawn = draw_run(record)
    context = {**_context(record), "figures": {name: as_figure(name, draw) for name, draw in drawn.items()}}
    return Report(
        html=_environment().get_template("report.html").render(context),
        summary=_environment().get_template("summary.md").render(context).replace("\u00a0", " "),
        figures={name: draw(False) for name, draw in drawn.items()},
    )


def render_comparison(records: Sequence[RunRecord]) -> str:
    """One page for two or more runs, side by side."""
    draw = draw_improvements(records)
    drawn = {"improvement": as_figure("improvement", draw)} if draw else {}
    runs = [{**_context(record), "figures": _own_figures(f"r{n}-", record)} for n, record in enumerate(records)]
    comparisons = list(_comparisons(records))
    return _environment().get_template("comparison.html").render(runs=runs, figures=drawn, comparisons=comparisons)


def _own_figures(prefix: str, record: RunRecord) -> dict[str, Figure]:
    return {name: as_figure(name, draw, prefix) for name, draw in draw_run(record).items()}


def _comparisons(records: Sequence[RunRecord]) -> Iterator[dict[str, Any]]:
    """The first run's winner against each other one's, on the test rows that both answered, with those that flipped."""
    first, *others = records
    inputs = inputs_of(first.examples.values())
    for other in others:
        shared = paired_outcomes(first.answers("winner", "test"), other.answers("winner", "test"))
        pairs = [pair for pair in shared if _is_same_row(pair[0].row_id, first, other)]
        if pairs:
            fixed, broken = flips(pairs)
            change = compare_pairs(answered_differences([o for _, o in pairs], [f for f, _ in pairs], inputs))
            yield {
                "first": first.run_id,
                "later": other.run_id,
                "line": _comparison_line(first.run_id, other.run_id, change, len(fixed), len(broken)),
                "fixed": [_example(first, pair) for pair in fixed[:MAX_FIXED]],
                "broken": [_example(first, pair) for pair in broken[:MAX_FIXED]],
            }


def _is_same_row(row_id: str, first: RunRecord, other: RunRecord) -> bool:
    """Whether a row is the same in both runs: two data sets may call different rows by one name."""
    if first.examples and other.examples:
        row = first.examples.get(row_id)
        return row is not None and row == other.examples.get(row_id)
    return first.info.get("data_hash") == other.info.get("data_hash")


def comparison_lines(records: Sequence[RunRecord]) -> list[str]:
    """What the test rows that both answered say of the first run's winner and each other one's, in sentences."""
    return [comparison["line"] for comparison in _comparisons(records)]


def _comparison_line(first: str, later: str, change: Comparison, better: int, worse: int) -> str:
    return (
        f"On {change.rows} test rows that both answered, {later} scores {numbers.points(change.difference)} points "
        f"against {first}, 95 % interval {numbers.points(change.low)} to {numbers.points(change.high)}; "
        f"{better} row{'' if better == 1 else 's'} better, {worse} worse."
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("promptrl.report"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        *(numbers.percent, numbers.points, numbers.between, numbers.money, numbers.duration),
        *(wording.headline, wording.faults, wording.doubts, wording.evidence, wording.edit_label, printable),
    ):
        made.filters[filter_.__name__] = filter_
    made.filters["cell"] = _markdown_cell
    made.filters["quote"] = quote
    return made


def _context(record: RunRecord) -> dict[str, Any]:
    """What the templates say."""
    result, attribution = record.result, {**_NOTHING, **record.attribution}
    pairs = paired_outcomes(record.answers("baseline", "test"), record.answers("winner", "test"))
    fixed, broken = flips(pairs)
    baseline = result["baseline"]["text"]
    return {
        "run_id": record.run_id,
        "info": record.info,
        "result": result,
        "attribution": attribution,
        "settings": record.settings,
        "notes": record.notes,
        "is_same": wording.is_unchanged(result),
        "own_code": _own_code(record),
        "diff": prompt_diff(result),
        "winner_text": printable(result["winner"]["text"], MAX_PROMPT),
        "fixed": [_example(record, pair) for pair in fixed[:MAX_FIXED]],
        "broken": [_example(record, pair) for pair in broken[:MAX_BROKEN]],
        "counts": _counts(pairs, fixed, broken),
        "groups": group_changes(pairs, record.examples) if pairs else [],
        "leaderboard": [{**row, "pieces": finalist_diff(baseline, row)} for row in record.leaderboard],
        "sure_pairs": _sure_pairs(attribution),
        "proposed": _proposed(attribution["proposals"]),
        "tokens": {label: _tokens(record, label) for label in ("baseline", "winner")},
        "rows": _row_counts(record),
        "folds": record.folds,
        "method": _METHODS.get(result["improvement"]["test"]["method"]) if result["improvement"]["test"] else None,
        "config_text": printable(record.config_text, MAX_CONFIG),
    }


def _own_code(record: RunRecord) -> str | None:
    """The folder in which functions of the user's that the config names were found; None where it names none."""
    if record.info.get("given"):
        return None
    target, reward = record.settings.get("target", {}), record.settings.get("reward", {})
    metrics = [metric for metric in reward.get("metrics", ()) if isinstance(metric, dict)]
    blocks = [target, *metrics, *(metric.get("judge") for metric in metrics)]
    is_own = any(isinstance(block, dict) and block.get("type") == "python" for block in blocks)
    return str(Path(record.info["config"]).parent) if is_own and "config" in record.info else None


def _counts(
    pairs: Sequence[OutcomePair], fixed: Sequence[OutcomePair], broken: Sequence[OutcomePair]
) -> dict[str, int]:
    kept = len(pairs) - len(fixed) - len(broken)
    return {"fixed": len(fixed), "broken": len(broken), "kept": kept, "rows": len(pairs)}


def _example(record: RunRecord, pair: OutcomePair) -> dict[str, Any]:
    """A row that flipped: what was asked, what was expected, what both prompts got."""
    before, after = pair
    example = record.examples.get(before.row_id)
    fields = {} if example is None else dict(example.fields)
    if any(name != "input" and text == fields.get("input") for name, text in fields.items()):
        del fields["input"]
    return {
        "row_id": before.row_id,
        "fields": {name: printable(text, MAX_TEXT, keep_end=True) for name, text in fields.items()},
        "reference": None if example is None else printable(example.reference, MAX_TEXT),
        "sides": [
            {
                "label": label,
                "text": printable(outcome.completion.text.strip(), MAX_TEXT, keep_end=True),
                "score": outcome.score,
                "reasons": [printable(reason, 300) for reason in _reasons(outcome)],
            }
            for label, outcome in (("before", before), ("after", after))
        ],
    }


def _reasons(outcome: Outcome) -> list[str]:
    """Why an answer scored less than it could, by the metric that counts, then by the others, with their names."""
    others = (f"{name}: {reason}" for name, reason in outcome.reasons.items() if reason != outcome.reason)
    return [*filter(None, (outcome.reason, *others))]


def _sure_pairs(attribution: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The strongest interactions whose interval excludes none."""
    sure = [pair for pair in attribution.get("interactions", ()) if pair["low"] > 0 or pair["high"] < 0]
    return [
        {**pair, "first": short_label(pair["first"]), "second": short_label(pair["second"])}
        for pair in sure[:MAX_PAIRS_SHOWN]
    ]


def _proposed(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The proposals that were tried, the best first, and the others."""
    tried = [row for row in rows if row["effect"] is not None]
    others = [row for row in rows if row["effect"] is None]
    return {"tried": sorted(tried, key=lambda row: -row["effect"]), "others": others}


def _tokens(record: RunRecord, label: str) -> float | None:
    """Mean prompt tokens of a call, as the model counted them."""
    prompt_id = record.result[label]["prompt_id"]
    counts = [
        o.completion.prompt_tokens
        for o in record.outcomes
        if o.prompt_id == prompt_id and o.completion.prompt_tokens is not None
    ]
    return sum(counts) / len(counts) if counts else None


def _row_counts(record: RunRecord) -> dict[str, int]:
    """Rows that each stage asked."""
    seen: dict[str, set[str]] = {"search": set(), "validation": set(), "test": set()}
    for outcome in record.outcomes:
        seen.setdefault(outcome.purpose, set()).add(outcome.row_id)
    return {stage: len(rows) for stage, rows in seen.items()}


def _markdown_cell(text: object, limit: int = 300) -> str:
    """Text for a Markdown table: one line, no markup that a reader would render."""
    line = " ".join(printable(text, limit).split())
    return "".join("\\" + char if char in "\\`*_{}[]<>|#!" else char for char in line)
