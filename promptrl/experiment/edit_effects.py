"""What a run says about its edits, as ``attribution.json`` and the effects in ``result.json`` hold it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promptrl.evaluation.outcome import Outcome
from promptrl.prompts.edits.base import Edit
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.report.notes import effects_note, pruning_note
from promptrl.runs.folder import Run
from promptrl.selection.pruning import EditInWinner, Pruning
from promptrl.stats.interactions import Interaction, interactions
from promptrl.stats.main_effects import CONFIDENCE, BoolArray, FloatArray, MainEffect, main_effects
from promptrl.stats.paired import Comparison

if TYPE_CHECKING:
    from promptrl.search.result import Decision

OTHERS, LIKELY = 3, 0.01
"""So many other actions are listed with each decision, if they are at least this probable."""


def attribute(
    run: Run,
    space: EditSpace,
    outcomes: Sequence[Outcome],
    winner: Prompt,
    pruning: Pruning,
    decisions: Sequence["Decision"] = (),
    since_growth: int | None = None,
) -> dict[str, Any]:
    """Everything that can be said about single edits.

    Args:
        run: Where the prompts are written down.
        space: The edits.
        outcomes: The run's answers, in the order in which they were asked.
        winner: Who won the finals.
        pruning: What leave-one-outs of the winner showed.
        decisions: The trained agent's best episode from the baseline.
        since_growth: How many of the search's last answers came since edits last joined the space: only those were
            drawn uniformly from all of it. None = none joined.
    """
    asked = [outcome for outcome in outcomes if outcome.purpose == "search"]
    prompts = run.prompts()
    held_by = {prompt_id: space.holds(prompt) for prompt_id, prompt in prompts.items()}
    shown = np.flatnonzero(_is_shown(space))
    holds = np.array([held_by[o.prompt_id] for o in asked], dtype=np.bool_).reshape(len(asked), space.n_edits)[:, shown]
    edits = [space.edits[at] for at in shown]
    slots, rows, scores = [edit.slot for edit in edits], [o.row_id for o in asked], [o.score for o in asked]
    first = 0 if since_growth is None else len(asked) - since_growth
    is_uniform = [o.uniform and at >= first for at, o in enumerate(asked)]
    chosen = np.flatnonzero([not o.uniform for o in asked])
    chosen = chosen if chosen.size else np.arange(len(asked))
    effects = main_effects(holds, slots, rows, scores, is_uniform)
    pairs = interactions(holds, slots, rows, scores)
    return {
        "confidence": CONFIDENCE,
        "uniform_answers": sum(is_uniform),
        "effects_note": effects_note(
            [score for score, is_fair in zip(scores, is_uniform, strict=True) if is_fair], len(edits) - len(effects)
        ),
        "effects": [_effect(edits[found.edit], found) for found in sorted(effects, key=lambda e: -e.effect)],
        "winner": [_in_winner(space.edits[found.edit], found) for found in pruning.edits],
        "pruning": _pruned(winner, pruning),
        "pruning_note": pruning_note(pruning.skip_reason),
        "interactions": [_pair(edits[pair.first], edits[pair.second], pair) for pair in pairs],
        "attention": _attention(edits, holds[chosen]),
        "depth": _depth([len(space.edits_of(prompts[asked[at].prompt_id])) for at in chosen]),
        "policy": [_decision(space, decision) for decision in decisions],
    }


def _is_shown(space: EditSpace) -> BoolArray:
    """Edits worth a line: not those that repeat another one, or only undo it: the baseline is as they would make it."""
    sizes = {slot: sum(edit.slot == slot for edit in space.edits) for slot in {edit.slot for edit in space.edits}}
    has_rivals = space.is_choice & np.array([sizes[edit.slot] > 2 for edit in space.edits])
    return np.asarray((has_rivals | ~space.holds(space.baseline)) & ~space.is_repeat, dtype=np.bool_)


def _named(edit: Edit) -> dict[str, Any]:
    return {"edit": edit.label, "slot": edit.slot, "text": edit.text}


def _decision(space: EditSpace, decision: "Decision") -> dict[str, Any]:
    """What was done, how probable that and stopping were, and what else was likely; None where values are held."""
    given = dict(enumerate(decision.probabilities))
    others = sorted(given.keys() - {decision.action, space.stop}, key=lambda action: -given[action])
    return {
        "taken": _action(space, decision.action),
        "probability": given.get(decision.action),
        "stop": given.get(space.stop),
        "others": [_action(space, at) | {"probability": given[at]} for at in others[:OTHERS] if given[at] >= LIKELY],
    }


def _action(space: EditSpace, action: int) -> dict[str, Any]:
    return {"edit": "stop", "slot": "", "text": ""} if action == space.stop else _named(space.edits[action])


def _effect(edit: Edit, found: MainEffect) -> dict[str, Any]:
    return _named(edit) | {"effect": found.effect, "low": found.low, "high": found.high, "answers": found.holding}


def _in_winner(edit: Edit, found: EditInWinner) -> dict[str, Any]:
    worth = _interval(found.worth, "effect")
    return _named(edit) | worth | {"tokens": found.tokens, "is_pruned": found.is_pruned}


def _pair(first: Edit, second: Edit, found: Interaction) -> dict[str, Any]:
    strength = {"strength": found.strength, "low": found.low, "high": found.high, "answers": found.answers}
    return {"first": _named(first), "second": _named(second)} | strength


def _interval(comparison: Comparison, name: str) -> dict[str, Any]:
    return {name: comparison.difference, "low": comparison.low, "high": comparison.high, "rows": comparison.rows}


def _pruned(winner: Prompt, pruning: Pruning) -> dict[str, Any] | None:
    if pruning.change is None:
        return None
    return {
        "from": winner.prompt_id,
        "text": winner.text,
        "tokens_before": pruning.tokens_before,
        "tokens_after": pruning.tokens_after,
        "change": _interval(pruning.change, "score"),
    }


def _attention(edits: Sequence[Edit], holds: BoolArray) -> list[dict[str, Any]]:
    """How often the prompts chosen in the first and in the last third of the search hold each edit."""
    third = len(holds) // 3
    if not third:
        return []
    early, late = _share(holds[:third]), _share(holds[-third:])
    return [_named(edit) | {"early": float(e), "late": float(s)} for edit, e, s in zip(edits, early, late, strict=True)]


def _depth(n_edits: Sequence[int]) -> dict[str, float] | None:
    """By how many edits the asked prompts differ from the baseline in the first and last third: when an agent stops."""
    third = len(n_edits) // 3
    if not third:
        return None
    return {"early": sum(n_edits[:third]) / third, "late": sum(n_edits[-third:]) / third}


def _share(holds: BoolArray) -> FloatArray:
    return np.asarray(holds.mean(0), dtype=np.float64)
