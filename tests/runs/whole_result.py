"""A result.json that lacks nothing."""

from collections.abc import Mapping
from typing import Any


def whole_result(
    baseline: Mapping[str, Any] | None = None, winner: Mapping[str, Any] | None = None, verdict: str = "same"
) -> dict[str, Any]:
    """The result of a run without a test; what is said of its prompts is filled up."""
    prompt = {"prompt_id": "x", "text": "Answer", "messages": [], "validation": None, "test": None}
    calls = dict.fromkeys(("total", "paid", "cached", "search", "validation", "test", "judge"), 0)
    return {
        "verdict": verdict,
        "stop_reason": "budget",
        "baseline": {**prompt, **(baseline or {})},
        "winner": {**prompt, **(winner or {})},
        "improvement": {"test": None},
        "calls": calls,
        "cost_usd": None,
        "wall_s": 1.0,
    }
