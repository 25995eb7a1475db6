"""The proposals of a run as the rows of a table: what each says, where it came from, what became of it."""

from collections.abc import Sequence
from typing import Any

from promptrl.runs.proposal_file import ProposalRecord


def proposal_rows(records: Sequence[ProposalRecord]) -> list[dict[str, Any]]:
    """Every proposal, in the order in which they came; ``outcome`` is "rejected", "passed over" or "kept"."""
    kept = {(record.search, edit.round, edit.proposal): edit for record in records for edit in record.kept}
    rows = []
    for record in records:
        for position, proposal in enumerate(record.proposals):
            edit = kept.get((record.search, record.round, position))
            outcome = "rejected" if proposal.rejected else "passed over" if edit is None else "kept"
            rows.append(
                {
                    "search": record.search,
                    "round": record.round + 1,
                    "operator": record.operator,
                    "op": proposal.op,
                    "slot": edit.slot if edit else proposal.slot,
                    "text": proposal.text,
                    "hypothesis": proposal.hypothesis,
                    "rows": list(proposal.rows),
                    "outcome": outcome,
                    "why": "; ".join(proposal.rejected.values()),
                    "effect": None,
                    "low": None,
                    "high": None,
                    "answers": 0,
                }
            )
    return rows


def call_rows(records: Sequence[ProposalRecord]) -> list[dict[str, Any]]:
    """Every time at which the proposer was asked, or left alone, and why."""
    return [
        {
            "search": record.search,
            "round": record.round + 1,
            "calls_used": record.calls_used,
            "operator": record.operator,
            "gain": record.gain,
            "price": record.price,
            "proposed": len(record.proposals),
            "kept": len(record.kept),
            "fault": record.fault,
            "cost_usd": None if record.answer is None else record.answer.cost_usd,
        }
        for record in records
    ]
