"""What is shown of targets, costs and caches."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from promptrl.console.screen import clean, print_data, readers, tell
from promptrl.console.tables import money, table

if TYPE_CHECKING:
    from promptrl.experiment.cost_bound import Forecast
    from promptrl.experiment.doctor import Checkup
    from promptrl.llm.engine.cache import CacheStats


def show_forecast(path: Path, forecast: "Forecast", *, as_json: bool) -> None:
    """What a run can cost at most."""
    if as_json:
        print_data({"config": str(path), **asdict(forecast)}, as_json=True, is_line=True)
        return
    console = readers()
    answer = "?" if forecast.answer_tokens is None else f"{forecast.answer_tokens:,}"
    made = table("at most", "calls", "tokens in", "tokens out", right=("calls", "tokens in", "tokens out"))
    for stage, calls in forecast.calls.items():
        tokens_out = "?" if forecast.answer_tokens is None else f"{calls * forecast.answer_tokens:,}"
        made.add_row(stage, f"{calls:,}", f"{calls * forecast.longest_prompt_tokens:,}", tokens_out)
    console.print(f"{clean(path)}")
    console.print(made)
    console.print(
        f"A call takes at most {forecast.longest_prompt_tokens:,} tokens in and {answer} out: the longest prompt "
        "within reach on the longest row, a token a byte. "
        f"The baseline takes about {forecast.baseline_prompt_tokens:,}."
    )
    cost = "cost unknown (give target.price)" if forecast.cost_usd is None else money(forecast.cost_usd)
    console.print(f"At most: {cost}, without attempts that fail and are charged all the same.")
    limits = ", ".join(f"{key} {limit:,g}" for key, limit in forecast.limits.items())
    console.print(f"Never exceeded: {limits}.")
    if forecast.minutes_at_limit is not None:
        console.print(f"At target.requests_per_minute it takes at least {forecast.minutes_at_limit:,.1f} minutes.")


def show_checkup(checkup: "Checkup", *, as_json: bool) -> None:
    """What the target of a config is like."""
    if as_json:
        print_data(asdict(checkup), as_json=True)
        return
    unknown = "not reported"
    tokens = (checkup.prompt_tokens, checkup.completion_tokens)
    price = "none" if checkup.cost_usd == 0 else "unknown"
    if checkup.price:
        price = f"${checkup.price[0]:g} in, ${checkup.price[1]:g} out for a million tokens"
    lines = {
        "target": checkup.target,
        "answer": checkup.answer or f"none ({checkup.fault})",
        "ended": checkup.finish_reason or unknown,
        "latency": " and ".join(f"{latency_s:.2f} s" for latency_s in checkup.latencies_s),
        "tokens": unknown
        if tokens[0] is None
        else f"{tokens[0]} in, {unknown if tokens[1] is None else tokens[1]} out",
        "same answer twice": "yes" if checkup.is_deterministic else "no",
        "parameters taken": ", ".join(checkup.accepted) or "none sent",
        "price": price,
        "cost of an answer": money(checkup.cost_usd),
    }
    console = readers()
    for name, text in lines.items():
        tell(f"[bold]{name}[/]: {clean(text)}", console)
    for advice in checkup.advice:
        tell(f"[yellow]note[/]: {clean(advice)}", console)


def show_cache(stats: "CacheStats", *, as_json: bool) -> None:
    """How large a cache is."""
    from datetime import UTC, datetime

    oldest = None if stats.oldest is None else datetime.fromtimestamp(stats.oldest, UTC).isoformat(timespec="seconds")
    data = {"path": str(stats.path), "answers": stats.answers, "megabytes": stats.size_bytes / 1e6, "oldest": oldest}
    print_data(data, as_json=as_json)
