"""What became of the edits that a model proposed, as ``attribution.json`` holds it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from promptrl.prompts.prompt import Prompt
from promptrl.runs.proposal_file import ProposalRecord
from promptrl.runs.proposal_rows import call_rows, proposal_rows

if TYPE_CHECKING:
    from promptrl.search.result import SearchResult


def attribute_proposals(records: Sequence[ProposalRecord], search: "SearchResult", winner: Prompt) -> dict[str, Any]:
    """The proposals with what the search believes of each in the end, and the calls of the proposer.

    Args:
        records: Of the run.
        search: Its last search.
        winner: The prompt that the run proves.
    """
    from promptrl.search.planned.beliefs import beliefs_of

    rows, space = proposal_rows(records), search.space
    number = {(edit.slot, edit.text): at for at, edit in enumerate(space.edits)}
    tried = [row for row in rows if row["outcome"] == "kept" and (row["slot"], row["text"]) in number]
    beliefs = beliefs_of(search)
    held = space.holds(winner)
    for row, belief in zip(tried, beliefs.of_options([(r["slot"], r["text"]) for r in tried]), strict=True):
        at = number[row["slot"], row["text"]]
        row["outcome"] = "in the winner" if held[at] else "retired" if space.is_retired[at] else "kept"
        row |= {
            "effect": belief.mean,
            "low": belief.low,
            "high": belief.high,
            "answers": belief.answers,
        }
    return {"proposals": rows, "proposer": call_rows(records)}
