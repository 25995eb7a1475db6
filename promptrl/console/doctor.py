"""What is shown of targets, costs and caches."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from promptrl.console.screen import clean, print_data, print_markup, readers
from promptrl.console.tables import money, table

if TYPE_CHECKING:
    from promptrl.experiment.cost_bound import CostBound
    from promptrl.experiment.doctor import Diagnosis
    from promptrl.llm.engine.cache import CacheStats
    from promptrl.tasks.metrics.judge_check import JudgeCheck


def show_cost_bound(path: Path, cost_bound: "CostBound", *, as_json: bool) -> None:
    """What a run can cost at most, and will probably cost."""
    if as_json:
        print_data({"config": str(path), **asdict(cost_bound)}, as_json=True, is_line=True)
        return
    console = readers()
    answer = "?" if cost_bound.answer_tokens is None else f"{cost_bound.answer_tokens:,}"
    made = table("at most", "calls", "tokens in", "tokens out", right=("calls", "tokens in", "tokens out"))
    unknown = {*cost_bound.asked_by_metrics, "total"} if cost_bound.asked_by_metrics else set()
    for stage, calls in cost_bound.calls.items():
        is_known = stage not in unknown
        tokens_in = f"{calls * cost_bound.longest_prompt_tokens:,}" if is_known else "?"
        is_known = is_known and cost_bound.answer_tokens is not None
        tokens_out = f"{calls * (cost_bound.answer_tokens or 0):,}" if is_known else "?"
        made.add_row(stage, f"{calls:,}", tokens_in, tokens_out)
    console.print(f"{clean(path)}")
    console.print(made)
    console.print(
        f"A call takes at most {cost_bound.longest_prompt_tokens:,} tokens in and {answer} out: the longest prompt "
        "within reach on the longest row, a token a byte. "
        f"The baseline takes about {cost_bound.baseline_prompt_tokens:,}."
    )
    reason = "give target.price"
    if cost_bound.answer_tokens is None:
        reason = "give target.params.max_tokens"
    if cost_bound.asked_by_metrics:
        reason = "metrics ask models questions whose length is not known beforehand"
    cost = f"cost unknown ({reason})" if cost_bound.cost_usd is None else money(cost_bound.cost_usd)
    console.print(f"At most: {cost}, without attempts that fail and are charged all the same.")
    console.print(_probably(cost_bound))
    limits = ", ".join(f"{key} {limit:,g}" for key, limit in cost_bound.limits.items())
    console.print(f"Never exceeded: {limits}.")
    if cost_bound.minutes_at_limit is not None:
        console.print(f"At target.requests_per_minute it takes at least {cost_bound.minutes_at_limit:,.1f} minutes.")


def _probably(cost_bound: "CostBound") -> str:
    """What the run will probably cost, and what that takes for granted."""
    likely = cost_bound.likely
    most = "?" if likely.most_answer_tokens is None else f"{likely.most_answer_tokens:,}"
    least_usd, most_usd = ("?" if usd is None else money(usd) for usd in (likely.least_usd, likely.most_usd))
    cost = "cost unknown" if likely.least_usd is None else least_usd
    if likely.least_usd is not None and least_usd != most_usd:
        cost = f"{least_usd} to {most_usd}"
    return (
        f"Probably: {cost}, if all calls are made: about {likely.prompt_tokens:,} tokens in, as your prompt takes on "
        f"the mean row, and {likely.least_answer_tokens:,} to {most} out: as long as the known answers, to the limit."
    )


def show_diagnosis(diagnosis: "Diagnosis", *, as_json: bool) -> None:
    """What the target of a config is like."""
    if as_json:
        print_data(asdict(diagnosis), as_json=True)
        return
    unknown = "not reported"
    tokens = (diagnosis.prompt_tokens, diagnosis.completion_tokens)
    price = "none" if diagnosis.cost_usd == 0 else "unknown"
    if diagnosis.price:
        price = f"${diagnosis.price[0]:g} in, ${diagnosis.price[1]:g} out for a million tokens"
    lines = {
        "target": diagnosis.target,
        "answer": diagnosis.answer or f"none ({diagnosis.fault})",
        "ended": diagnosis.finish_reason or unknown,
        "latency": " and ".join(f"{latency_s:.2f} s" for latency_s in diagnosis.latencies_s),
        "tokens": unknown
        if tokens[0] is None
        else f"{tokens[0]} in, {unknown if tokens[1] is None else tokens[1]} out",
        "same answer twice": "yes" if diagnosis.is_deterministic else "no",
        "parameters taken": ", ".join(diagnosis.accepted) or "none sent",
        "price": price,
        "cost of an answer": money(diagnosis.cost_usd),
    }
    console = readers()
    for name, text in lines.items():
        print_markup(f"[bold]{name}[/]: {clean(text)}", console)
    for check in diagnosis.judges:
        print_markup(f"[bold]{clean(check.who)}[/]: {clean(judge_line(check))}", console)
    for advice in diagnosis.advice:
        print_markup(f"[yellow]note[/]: {clean(advice)}", console)


def judge_line(check: "JudgeCheck") -> str:
    """How a judge did on answers whose verdict is known."""
    parts = [f"{kind} {asked - wrong} of {asked} right" for kind, (wrong, asked) in check.verdicts.items()]
    if check.noise is not None and check.flips is not None:
        moved = f"its score moves by {check.noise:.2f} (standard deviation), its verdict in {check.flips:.0%} of cases"
        parts.append(f"asked again {moved if check.noise else 'it says the same'}")
    if check.untold:
        parts.append(f"{check.untold} verdicts it could not tell")
    return "; ".join(parts)


def show_cache(stats: "CacheStats", *, as_json: bool) -> None:
    """How large a cache is."""
    from datetime import UTC, datetime

    oldest = None if stats.oldest is None else datetime.fromtimestamp(stats.oldest, UTC).isoformat(timespec="seconds")
    data = {"path": str(stats.path), "answers": stats.answers, "megabytes": stats.size_bytes / 1e6, "oldest": oldest}
    print_data(data, as_json=as_json)
