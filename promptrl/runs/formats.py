"""What the files of a run folder hold, as far as promptrl itself relies on it when it reads them again."""

from collections.abc import Mapping

from promptrl.runs.reading import Nullable, Shape

_EDIT: Mapping[str, Shape] = {"edit": str, "slot?": Nullable(str), "text?": Nullable(str)}
_SCORE: Shape = {"score": float, "low": float, "high": float, "rows": int, "objective": float}
_PROMPT: Shape = {
    "prompt_id": str,
    "text": str,
    "messages": [{"role": str, "content": str}],
    "validation": Nullable(_SCORE),
    "test": Nullable(_SCORE),
}
_MEASURED: Shape = {
    **dict.fromkeys(("score", "low", "high", "p_value", "confidence"), float),
    "rows": int,
    "method": str,
    "sequential": Nullable({"stop": str, "planned_rows": int, "calls_saved": int}),
}
_PRUNING: Mapping[str, Shape] = {"tokens_before": float, "tokens_after": float}
_EFFECT: Mapping[str, Shape] = {**_EDIT, "effect": float, "low": float, "high": float}
_OF_WINNER: Shape = [{**_EFFECT, "is_pruned": bool}]

INFO: Shape = {
    "status?": str,
    "started?": str,
    "experiment?": str,
    "error?": Nullable(str),
    "elapsed_s?": float,
    "config?": str,
    "data_hash?": str,
    "look?": Nullable(int),
    "versions?": dict,
    "given?": Nullable(dict),
    "target?": {"type": str, "model": Nullable(str), "params": dict},
    "search_own_s?": Nullable(float),
}
"""run.json."""

RESULT: Shape = {
    "verdict": frozenset(("improved", "worse", "same", "inconclusive")),
    "stop_reason": str,
    "baseline": _PROMPT,
    "winner": _PROMPT,
    "improvement": {"test": Nullable(_MEASURED), "folds?": [{"rows": int, "difference": float}]},
    "calls": dict.fromkeys(("total", "paid", "cached", "search", "validation", "test", "judge"), int),
    "cost_usd": Nullable(float),
    "wall_s": float,
    "doubts?": [{"kind": str, "is_blind": bool, "text": str}],
    "effects?": [_EFFECT],
    "winner_effects?": _OF_WINNER,
    "pruning?": Nullable(_PRUNING),
    "effects_note?": Nullable(str),
    "pruning_note?": Nullable(str),
}
"""result.json."""

FINALIST: Shape = {
    "prompt_id": str,
    "score": Nullable(float),
    "difference": Nullable(float),
    "sd": Nullable(float),
    "rows": int,
    "is_baseline": bool,
    "text": str,
}
"""Each of leaderboard.json."""

_PARTS = ("train", "validation", "test", "demonstrations")
DIVISION: Shape = {
    "rows": int,
    "divisions": [{part: [str] for part in _PARTS}],
    "hashes": dict.fromkeys(_PARTS, str),
}
"""rows.json."""

SETTINGS: Shape = {"gate?": {"min_improvement?": float, "margin?": float}}
"""config.resolved.yaml, where it is read without being checked as a config: an older one may not be valid any more."""

_ACTION: Mapping[str, Shape] = {**_EDIT, "probability": Nullable(float)}
ATTRIBUTION: Shape = {
    "uniform_answers?": int,
    "effects?": [_EFFECT],
    "winner?": _OF_WINNER,
    "pruning?": Nullable({**_PRUNING, "change": {"score": float, "rows": int}}),
    "effects_note?": Nullable(str),
    "pruning_note?": Nullable(str),
    "interactions?": [{"first": _EDIT, "second": _EDIT, "strength": float, "low": float, "high": float}],
    "attention?": [{**_EDIT, "early": float, "late": float}],
    "depth?": Nullable({"early": float, "late": float}),
    "proposals?": [
        {
            **dict.fromkeys(("search", "round", "answers"), int),
            **dict.fromkeys(("operator", "op", "slot", "text", "hypothesis", "outcome", "why"), str),
            "rows": [str],
            **dict.fromkeys(("effect", "low", "high"), Nullable(float)),
        }
    ],
    "proposer?": [
        {
            **dict.fromkeys(("search", "round", "calls_used", "proposed", "kept"), int),
            **dict.fromkeys(("operator", "fault"), str),
            **dict.fromkeys(("gain", "price"), float),
            "cost_usd": Nullable(float),
        }
    ],
    "policy?": [{"taken": _EDIT, "probability": Nullable(float), "stop": Nullable(float), "others": [_ACTION]}],
}
"""attribution.json."""

COMPLETION: Shape = {
    "text": str,
    "prompt_tokens?": Nullable(int),
    "completion_tokens?": Nullable(int),
    "latency_s?": float,
    "cost_usd?": Nullable(float),
    "finish_reason?": Nullable(str),
    "fault?": Nullable(str),
    "is_cached?": bool,
    "untold_tokens?": int,
    "untold_usd?": float,
}

OUTCOME: Shape = {
    **dict.fromkeys(("prompt_id", "row_id", "purpose"), str),
    "repeat": int,
    "completion": COMPLETION,
    "scores": dict,
    "objective": float,
    "score": float,
    "reason?": str,
    "uniform?": bool,
    "reasons?": dict,
    "judged?": [COMPLETION],
}
"""A line of outcomes.jsonl."""

ANSWER: Shape = {"prompt_id": str, "row_id": str, "repeat": int, "completion": COMPLETION, "question?": str}
"""A line of .answers.jsonl."""

ASKED: Shape = {"prompt_id": str}
"""A line of prompts.jsonl, beside the prompt itself."""

CHARGE: Shape = {"attempt": int, "tokens": int, "cost_usd": float}
"""A line of .charges.jsonl."""

GROWTH: Shape = {
    "search": int,
    "calls_used": int,
    "is_exhausted": bool,
    "options": dict,
    "retired?": dict,
    "asks_each?": int,
}
"""A line of growth.jsonl."""

PROPOSED: Shape = {
    **dict.fromkeys(("search", "round", "attempt", "calls_used"), int),
    "is_exhausted": bool,
    "operator": str,
    **dict.fromkeys(("gain", "price"), float),
    "messages": [{"role": str, "content": str}],
    "answer": Nullable(COMPLETION),
    "fault": str,
    "proposals": [{**dict.fromkeys(("slot", "op", "text", "hypothesis"), str), "rows": [str], "rejected": dict}],
    "kept": [{"slot": str, "text": str, "round": int, "proposal": int}],
}
"""A line of proposals.jsonl."""
