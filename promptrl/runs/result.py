"""Builds what a run and an evaluation report: the keys of ``result.json``, which are a promise to scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isnan
from types import MappingProxyType
from typing import Any, Self

from promptrl.evaluation.doubts import Doubt
from promptrl.evaluation.pairing import Outcomes, scores_by_input
from promptrl.llm.engine.budget import Spending
from promptrl.prompts.files import template_messages
from promptrl.prompts.prompt import Prompt
from promptrl.selection.finalists import Finalist
from promptrl.stats.gate import Gate
from promptrl.stats.paired import Comparison, Verdict, compare_pairs, mean_interval, verdict
from promptrl.stats.pairs import PairedDifferences
from promptrl.stats.sequential import SequentialResult

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two prompts on the same held-out rows.

    Attributes:
        outcomes: Of "baseline" and "winner".
        comparison: Winner minus baseline, whatever the missing answers are; None when no row has both.
        missing: Answers that never came, by prompt; with none of them 0.
        answered: What ``comparison`` would be if the rows whose answers are missing had not been there.
        unpaid_rows: Rows that were left out beforehand, since tokens or dollars would not pay for them.
        sequential: How it went when the rows were looked at as they came in, else None.
        calls_saved: Calls that were not needed then.
    """

    outcomes: Mapping[str, Outcomes]
    comparison: Comparison | None
    sequential: SequentialResult | None = None
    calls_saved: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    answered: Comparison | None = None
    unpaid_rows: int = 0

    @classmethod
    def of(
        cls,
        outcomes: Mapping[str, Outcomes],
        pairs: PairedDifferences,
        comparison: Comparison | None,
        sequential: SequentialResult | None = None,
        calls_saved: int = 0,
    ) -> Self:
        """With what is missing, as the differences tell it."""
        missing = dict(zip(("winner", "baseline"), pairs.missing, strict=True))
        answered = comparison
        if comparison and not pairs.is_complete:
            by_folds = comparison.method == "folds"
            answered = compare_pairs(pairs.without_missing, comparison.confidence, by_folds=by_folds)
        return cls(outcomes, comparison, sequential, calls_saved, missing, answered)


@dataclass(frozen=True, slots=True)
class JudgedFold:
    """A prompt on rows that the search for it had not seen.

    Attributes:
        prompt: It; the baseline's own when nothing better was found.
        rows: Rows on which it was compared with the baseline.
        difference: Its mean score minus the baseline's.
    """

    prompt: Prompt
    rows: int
    difference: float


_OF_EDITS = {
    "effects": "effects",
    "effects_note": "effects_note",
    "winner_effects": "winner",
    "pruning": "pruning",
    "pruning_note": "pruning_note",
}
"""Keys that speak of single edits, and which of attribution.json they are."""


def build_result(
    *,
    run_id: str,
    experiment: str,
    stop_reason: str,
    prompts: Mapping[str, Prompt],
    validated: Mapping[str, Outcomes],
    tested: PairedComparison | None,
    gate: Gate,
    spent: Spending,
    wall_s: float,
    seed: int,
    attribution: Mapping[str, Any],
    faults: Mapping[str, int] = MappingProxyType({}),
    doubts: Sequence[Doubt] = (),
    judged: Sequence[JudgedFold] = (),
    inputs: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """What result.json holds.

    Args:
        run_id: Folder name.
        experiment: The config's name.
        stop_reason: Why the search ended.
        prompts: "baseline" and "winner".
        validated: Their outcomes on validation rows.
        tested: They on the test rows, or fold by fold; None when there was nothing to test.
        gate: When a difference counts.
        spent: What the run used.
        wall_s: Seconds it took.
        seed: Of the config; also of resampling.
        attribution: What is known of single edits.
        faults: Answers of the target that were bad although the call worked, by the name of the fault.
        doubts: Reasons to think that scores say little.
        judged: The folds that ``tested`` is made of, if it is.
        inputs: By row id; rows with one input count as one.
    """
    comparison = tested.comparison if tested else None
    is_same = prompts["winner"].prompt_id == prompts["baseline"].prompt_id
    return {
        "format": FORMAT,
        "run_id": run_id,
        "experiment": experiment,
        "status": "done",
        "stop_reason": stop_reason,
        "verdict": decide_verdict(comparison, gate, is_same_prompt=is_same, doubts=doubts),
        **{
            label: _scored(prompt, validated[label], tested.outcomes[label] if tested else (), gate, seed, inputs)
            for label, prompt in prompts.items()
        },
        "improvement": {"against": "baseline", "test": measured(tested, gate), "folds": list(map(_fold_entry, judged))},
        **spending(spent),
        "faults": dict(faults),
        "doubts": [asdict(doubt) for doubt in doubts],
        "wall_s": round(wall_s, 3),
        "seed": seed,
        **{key: attribution[source] for key, source in _OF_EDITS.items()},
    }


def best_prompt(result: Mapping[str, Any], *, challenger: bool = False) -> Mapping[str, Any]:
    """The entry of the prompt to use: the winner where it is proven better, else the user's own.

    Args:
        result: What result.json holds.
        challenger: The winner whatever the verdict.
    """
    entry: Mapping[str, Any] = result["winner" if challenger or result["verdict"] == "improved" else "baseline"]
    return entry


def _scored(
    prompt: Prompt, validated: Outcomes, tested: Outcomes, gate: Gate, seed: int, inputs: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **describe_prompt(prompt),
        "validation": summarise(validated, gate, seed, inputs),
        "test": summarise(tested, gate, seed, inputs),
    }


def _fold_entry(fold: JudgedFold) -> dict[str, Any]:
    return {"prompt_id": fold.prompt.prompt_id, "rows": fold.rows, "difference": fold.difference}


def summarise(
    outcomes: Outcomes, gate: Gate, seed: int, inputs: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any] | None:
    """One split's entry: mean score with interval, rows, mean objective; None when nothing was asked.

    Rows that ``inputs`` gives one input count as one.
    """
    scores = scores_by_input(outcomes, inputs)
    if not scores:
        return None
    interval = mean_interval(list(scores.values()), gate.confidence, seed=seed)
    objectives = [outcome.objective for outcome in outcomes if outcome is not None]
    return {
        "score": interval.score,
        "low": interval.low,
        "high": interval.high,
        "rows": interval.rows,
        "objective": sum(objectives) / len(objectives),
    }


def describe_prompt(prompt: Prompt) -> dict[str, Any]:
    """The prompt itself: id, readable text, chat messages with the user template's placeholders left open."""
    messages = [{"role": m.role, "content": m.content} for m in template_messages(prompt)]
    return {"prompt_id": prompt.prompt_id, "text": prompt.text, "messages": messages}


def decide_verdict(
    comparison: Comparison | None, gate: Gate, *, is_same_prompt: bool, doubts: Sequence[Doubt] = ()
) -> Verdict:
    """The verdict of DESIGN.md, section 8; without rows to compare, or scores to compare them by, nothing is known."""
    if comparison is None or is_same_prompt:
        found: Verdict = "same" if is_same_prompt else "inconclusive"
    else:
        found = verdict(comparison, min_improvement=gate.min_improvement, margin=gate.margin, is_baseline=False)
    is_blind = any(doubt.is_blind for doubt in doubts)
    return "inconclusive" if found == "same" and is_blind else found


def measured(paired: PairedComparison | None, gate: Gate) -> dict[str, Any] | None:
    """A paired difference with its interval; None when there was nothing to measure.

    Where the rows were looked at as they came in, ``sequential`` says how that went; where answers never came,
    ``missing`` says how many and what the verdict would be without the rows that lack them.
    """
    comparison = paired.comparison if paired else None
    if paired is None or comparison is None:
        return None
    looks, sequential = paired.sequential, None
    if looks is not None:
        sequential = {"stop": looks.stop, "looks": looks.looks, "planned_rows": looks.planned_rows}
        sequential["calls_saved"] = paired.calls_saved
    return {
        "score": comparison.difference,
        "low": comparison.low,
        "high": comparison.high,
        "p_value": comparison.p_value,
        "rows": comparison.rows,
        "confidence": comparison.confidence,
        "method": comparison.method,
        "sequential": sequential,
        "missing": _missing(paired, gate),
        "unpaid_rows": paired.unpaid_rows,
    }


def _missing(paired: PairedComparison, gate: Gate) -> dict[str, Any] | None:
    if not any(paired.missing.values()):
        return None
    return {**paired.missing, "verdict_without": decide_verdict(paired.answered, gate, is_same_prompt=False)}


def spending(spent: Spending) -> dict[str, Any]:
    """The keys ``calls``, ``tokens`` and ``cost_usd``."""
    calls = dict.fromkeys(("search", "validation", "test", "judge", "proposer"), 0) | dict(spent.calls)
    return {
        "calls": {"total": spent.total, "paid": spent.paid, "cached": spent.cached, **calls},
        "tokens": {"prompt": spent.prompt_tokens, "completion": spent.completion_tokens},
        "cost_usd": spent.cost_usd,
    }


def leaderboard_rows(finalists: Sequence[Finalist]) -> list[dict[str, Any]]:
    """The finalists, the winner first, as ``leaderboard.json`` keeps them; figures without an answer are None."""
    rows = []
    for finalist in finalists:
        figures = {key.name: getattr(finalist, key.name) for key in fields(finalist) if key.name != "prompt"}
        known = {name: None if isinstance(value, float) and isnan(value) else value for name, value in figures.items()}
        rows.append({"prompt_id": finalist.prompt.prompt_id, **known, "text": finalist.prompt.text})
    return rows
