"""What the commands show when they are done: tables for people, or the same as JSON."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from promptrl.console.screen import clean, people, print_data, print_markup, readers
from promptrl.report import numbers
from promptrl.report.wording import doubts, edit_label, faults, headline, is_blind, is_unchanged, shortfalls
from promptrl.safe_text import printable

if TYPE_CHECKING:
    from promptrl.config import SchemaRow
    from promptrl.evaluation.outcome import Outcome
    from promptrl.runs.folder import Run, RunSummary
    from promptrl.stats.power import SplitPower

MAX_EDIT = 300
MAX_REASON = 160
MAX_REASONS = 6
VERDICT_STYLES = {"improved": "bold green", "worse": "bold red", "same": "bold", "inconclusive": "bold yellow"}
VERDICT_WORDS = {
    "improved": "Improved: better than the baseline on unseen rows ({confidence} confidence).",
    "worse": "Worse than the baseline on unseen rows ({confidence} confidence).",
    "same": "The same as the baseline: no difference, or one within the margin.",
    "inconclusive": "Inconclusive: the test rows can't tell winner and baseline apart.",
}


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table in the house style; the columns named in ``right`` hold figures, on the right, never broken."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        is_figure = column in right
        made.add_column(column, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure)
    return made


def percent(value: float | None) -> str:
    """A score in [0, 1] as a percentage with one digit."""
    return numbers.plain(numbers.percent(value))


def points(value: float) -> str:
    """A difference of two scores, signed, in percentage points."""
    return numbers.plain(numbers.points(value))


def interval(entry: Mapping[str, Any] | None) -> str:
    """A split's score with its interval."""
    if entry is None:
        return "–"
    return f"{percent(entry['score'])}  [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"


def money(usd: float | None) -> str:
    """What it cost in dollars, as far as that is known."""
    return "cost unknown" if usd is None else numbers.money(usd)


def prompt_diff(before: str, after: str) -> Text:
    """A line diff of two prompts."""
    text = Text()
    for line in difflib.ndiff(_clean_lines(before), _clean_lines(after)):
        if line.startswith("?"):
            continue
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
        text.append(line.rstrip() + "\n", style=style)
    text.rstrip()
    return text


def _clean_lines(text: str) -> list[str]:
    return printable(text).splitlines()


def show_result(result: Mapping[str, Any], place: Path, console: Console) -> None:
    """A finished run for people: the verdict first, then before and after."""
    verdict = str(result["verdict"])
    measured = result["improvement"]["test"]
    words = VERDICT_WORDS[verdict].format(confidence=f"{100 * measured['confidence']:g} %" if measured else "")
    if is_blind(result) or is_unchanged(result):
        words = headline(result)
    console.print(f"[{VERDICT_STYLES[verdict]}]{words}[/]")
    for word in filter(None, (faults(result), *doubts(result))):
        print_markup(f"[yellow]{clean(word)}[/]", console)
    scores = table("prompt", "validation", "test", right=("validation", "test"))
    for label in ("baseline", "winner"):
        scores.add_row(label, interval(result[label]["validation"]), interval(result[label]["test"]))
    console.print(scores)
    if measured:
        console.print(
            f"Improvement on {measured['rows']} test rows, paired: {points(measured['score'])} points "
            f"[{points(measured['low'])}, {points(measured['high'])}], p = {measured['p_value']:.2g}"
            f"{_course(measured)}"
        )
    console.print(
        Panel(prompt_diff(result["baseline"]["text"], result["winner"]["text"]), title="prompt", title_align="left")
    )
    pruned = result.get("pruning")
    if pruned:
        before, after = pruned["tokens_before"], pruned["tokens_after"]
        console.print(f"Edits that did nothing were undone before the test: about {before:.0f} → {after:.0f} tokens.")
    folds = result["improvement"].get("folds")
    if folds:
        each = ", ".join(f"{points(fold['difference'])} on {fold['rows']}" for fold in folds)
        console.print(f"Fold by fold, each judging what was found before it: {each} rows. The winner was found on all.")
    calls = result["calls"]
    beside = "".join(f", {calls[name]:,} {name}" for name in ("judge", "proposer") if calls.get(name))
    console.print(
        f"{calls['total']:,} calls ({calls['cached']:,} from the cache): {calls['search']:,} search, "
        f"{calls['validation']:,} validation, {calls['test']:,} test{beside} · {money(result['cost_usd'])} · "
        f"{result['wall_s']:.0f} s · stopped: {result['stop_reason']}"
    )
    page = place / "report.html"
    report = clean(page) if page.is_file() else f"none, but promptrl report {clean(place.name)} writes one"
    print_markup(f"Run folder: {clean(place)}\nReport: {report}", console)


def show_evaluation(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what ``eval`` found: both scores, the paired difference, the verdict, and how often the rows were used."""
    if as_json:
        print_data(result, as_json=True)
        return
    console = readers()
    scores = table("prompt", "score", "rows", right=("score", "rows"))
    is_baseline = result["winner"]["prompt_id"] == result["baseline"]["prompt_id"]
    name = "winner" if result["run_id"] else "this prompt"
    names = {"baseline": "baseline"} if is_baseline else {"baseline": "baseline", "winner": name}
    for label, shown in names.items():
        entry = result[label][result["split"]]
        scores.add_row(shown, interval(entry), str(entry["rows"]) if entry else "–")
    console.print(f"{clean(result['subject'])} on the {result['split']} rows, metric {clean(result['metric'])}:")
    console.print(scores)
    difference = result["difference"]
    if is_baseline:
        console.print("It is the baseline prompt itself: there is nothing to compare.")
    elif difference:
        console.print(f"{name.capitalize()} − baseline, paired: {_compared(difference)}")
    console.print(f"[{VERDICT_STYLES[result['verdict']]}]{result['verdict']}[/]")
    for doubt in result["doubts"]:
        print_markup(f"[yellow]{clean(doubt['text'])}[/]", console)
    if result["data_changes"]:
        console.print(f"Since the run, {result['data_changes']}; its own {result['split']} rows are as they were.")
    if result["look"] and result["look"] > 1:
        console.print(
            f"This was the {_ordinal(result['look'])} look at these test rows: a prompt chosen by such looks is not "
            "proven by them."
        )


def _compared(difference: Mapping[str, Any]) -> str:
    """A paired difference with all that belongs to it."""
    return (
        f"{points(difference['score'])} points [{points(difference['low'])}, {points(difference['high'])}] "
        f"at {100 * difference['confidence']:g} %, p = {difference['p_value']:.2g} ({difference['method']})"
        f"{_course(difference)}"
    )


def _course(measured: Mapping[str, Any]) -> str:
    """How a comparison went that was looked at on the way, and what is missing from it, to follow its figures."""
    lost = f".{text}" if (text := shortfalls(measured)) else ""
    course = measured["sequential"]
    if course is None:
        return lost
    ends = {"futility": "out of reach", "rows": "all rows asked"}
    saved = f", {course['calls_saved']:,} calls saved" if course["calls_saved"] else ""
    rows = f"{measured['rows']} of {course['planned_rows']} rows"
    return f"; {ends.get(course['stop'], 'clear')} after {rows}{saved}{lost}"


def _ordinal(number: int) -> str:
    """Such as "second" and "14th"."""
    words = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return words.get(number, f"{number}{ending}")


def prospects(power: "SplitPower", test_uses: int = 0) -> Iterator[str]:
    """What the test rows can show, in lines; as markup.

    Args:
        power: What they can.
        test_uses: How often they have been used.
    """
    least = power.smallest_improvement
    rate, confidence = 100 * power.discordant_rate, 100 * power.confidence
    found = "no improvement, however large: they are too few"
    if least is not None:
        found = f"an improvement of {100 * least:.0f} points or more in 4 of 5 runs"
    yield (
        f"{power.rows} test rows show {found} ({confidence:g} % confidence, if the prompts differ on {rate:.0f} % of "
        f"them); `same` within {100 * power.margin:g} points takes about {power.rows_for_same:,} rows"
    )
    if power.is_too_small:
        wanted = f"gate.min_improvement is {100 * power.min_improvement:g} points"
        yield f"[yellow]{wanted}, less than these test rows can show: use more of them, or ask for more[/]"
    if test_uses:
        times = "once" if test_uses == 1 else f"{test_uses} times"
        yield f"These test rows have been looked at {times} before."


def show_runs(summaries: "Sequence[RunSummary]", *, as_json: bool) -> None:
    """Print one line a run, in the order given; with ``as_json`` a list of objects."""
    if as_json:
        print_data([asdict(summary) for summary in summaries], as_json=True)
        return
    if not summaries:
        people().print("No runs yet.")
        return
    _print_runs(summaries)


def _print_runs(summaries: "Sequence[RunSummary]") -> None:
    figures = ("baseline", "winner", "calls")
    made = table("run", "outcome", *figures, "started", right=figures)
    made.columns[0].no_wrap = True
    for summary in summaries:
        result = summary.result
        if result is None:
            cells = [summary.status, "", "", ""]
        else:
            verdict = str(result["verdict"])
            held_out = [result[label]["test"] or result[label]["validation"] for label in ("baseline", "winner")]
            scores = [percent(entry["score"] if entry else None) for entry in held_out]
            cells = [f"[{VERDICT_STYLES[verdict]}]{verdict}[/]", *scores, f"{result['calls']['total']:,}"]
        made.add_row(clean(summary.run_id), *cells, clean(summary.started[:16].replace("T", " ")))
    readers().print(made)


def show_comparison(summaries: "Sequence[RunSummary]", comparisons: Sequence[str], *, as_json: bool) -> None:
    """Runs side by side, what rows that they share say of their winners, and the prompts they ended with."""
    if as_json:
        print_data([asdict(summary) for summary in summaries], as_json=True)
        return
    _print_runs(summaries)
    for line in comparisons:
        readers().print(clean(line))
    for summary in summaries:
        if summary.result is not None:
            text = Text.from_markup(clean(summary.result["winner"]["text"]))
            readers().print(Panel(text, title=clean(summary.run_id), title_align="left"))


def show_run(run: "Run", *, as_json: bool) -> None:
    """Print a run's verdict, prompts, leaderboard and effects; of an unfinished one what run.json knows."""
    result = run.result
    if as_json:
        print_data({"run": run.info | {"status": run.status}, "result": result}, as_json=True)
        return
    console = readers()
    info = run.info
    console.print(f"[bold]{clean(run.id)}[/] · {run.status} · started {clean(info.get('started', '?'))[:19]}")
    if result is None:
        if info.get("error"):
            console.print(f"[red]error[/] {clean(info['error'])}")
        print_markup(f"{len(run.outcomes()):,} answers kept in {clean(run.path / 'outcomes.jsonl')}", console)
        return
    show_result(result, run.path, console)
    print_effects(result, console)
    board = table("", "validation", "rows", "against baseline", "finalist", right=("validation", "rows"))
    finalists = run.leaderboard()
    texts = distinct_parts([row["text"] for row in finalists])
    for place, (row, text) in enumerate(zip(finalists, texts, strict=True), start=1):
        against = "(baseline)" if row["is_baseline"] else "–"
        if row["difference"] is not None and not row["is_baseline"]:
            against = f"{points(row['difference'])} ± {100 * row['sd']:.1f}"
        board.add_row(
            "1 won" if place == 1 else str(place),
            percent(row["score"]),
            str(row["rows"]),
            against,
            Text(printable(text)),
        )
    console.print(board)
    reasons = reasons_table(run.outcomes(), result["winner"]["prompt_id"])
    if reasons is not None:
        console.print(reasons)


def reasons_table(outcomes: "Iterable[Outcome]", prompt_id: str) -> Table | None:
    """The lowest scores of a prompt on held-out rows with what the metric says of them; None where it says nothing."""
    found = Counter(
        (outcome.score, outcome.reason)
        for outcome in outcomes
        if outcome.prompt_id == prompt_id and outcome.purpose in ("validation", "test") and outcome.reason
    )
    made = table("score", "answers", "why the winner has no more", right=("score", "answers"))
    for (score, reason), count in sorted(found.items(), key=lambda item: (item[0][0], -item[1]))[:MAX_REASONS]:
        made.add_row(percent(score), f"{count:,}", Text(printable(reason, MAX_REASON)))
    return made if found else None


def distinct_parts(texts: Sequence[str]) -> list[str]:
    """Prompts on one line each, without the messages at the end that all of them have."""
    messages = [text.split("\n\n") for text in texts]
    while messages and min(map(len, messages)) > 1 and len({parts[-1] for parts in messages}) == 1:
        messages = [parts[:-1] for parts in messages]
    return [" ".join(" ".join(parts).split()).removeprefix("[system] ") for parts in messages]


def print_effects(result: Mapping[str, Any], console: Console) -> None:
    """What the edits are worth in the winner and on average, and what could not be said of them."""
    made = table("edit", "points", "90 % interval", "measured as", right=("points", "90 % interval"))
    for effect in result.get("winner_effects", ()):
        _add_effect(made, effect, "lost without it" + (", pruned" if effect["is_pruned"] else ""))
    for effect in result.get("effects", ()):
        if effect["low"] > 0 or effect["high"] < 0:
            _add_effect(made, effect, "on average")
    if made.rows:
        console.print(made)
    for name in ("pruning_note", "effects_note"):
        if result.get(name):
            console.print(clean(result[name]))


def _add_effect(made: Table, effect: Mapping[str, Any], of: str) -> None:
    between = f"[{points(effect['low'])}, {points(effect['high'])}]"
    made.add_row(clean(printable(edit_label(effect), MAX_EDIT)), points(effect["effect"]), escape(between), of)


def show_schema(rows: "Sequence[SchemaRow]") -> None:
    """Every config key with its type, default and meaning, as a list that fits any width; data, so on stdout."""
    console = readers()
    for row in rows:
        default = row.default if row.default in ("", "required") else f"default {row.default}"
        kind = "; ".join(part for part in (row.type, default) if part)
        console.print(f"[bold]{clean(row.key)}[/]  [dim]{clean(kind)}[/]")
        console.print(Padding(Text(printable(row.description)), (0, 0, 0, 4)))
