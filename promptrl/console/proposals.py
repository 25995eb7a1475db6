"""What a model proposed in a run, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from promptrl.console.screen import clean, print_data, readers
from promptrl.console.tables import points, table
from promptrl.prompts.proposer.operators import NO_OPERATOR
from promptrl.safe_text import printable

if TYPE_CHECKING:
    from promptrl.runs.folder import Run

MAX_TEXT = 300
_STYLES = {"in the winner": "green", "rejected": "dim", "retired": "red", "passed over": "dim"}


def show_proposals(run: "Run", *, as_json: bool) -> None:
    """Print each proposal with its effect, then when the proposer was asked and for what.

    Effects are known once a run is done.
    """
    from promptrl.runs.proposal_file import read_proposals
    from promptrl.runs.proposal_rows import call_rows, proposal_rows

    records = read_proposals(run.path)
    attribution = run.attribution if run.status == "done" else {}
    proposals = attribution.get("proposals", proposal_rows(records))
    calls = attribution.get("proposer", call_rows(records))
    if as_json:
        print_data({"proposals": proposals, "proposer": calls}, as_json=True)
        return
    console = readers()
    if not calls:
        console.print(f"{clean(run.id)}: no model was asked for edits.")
        return
    _print_proposals(proposals)
    for call in calls:
        console.print(_call_line(call))


def _print_proposals(rows: Sequence[Mapping[str, Any]]) -> None:
    made = table("round", "proposal", "points", "90 % interval", "outcome", right=("round", "points", "90 % interval"))
    for row in rows:
        said = Text(printable(row["text"], MAX_TEXT) or f"leave {printable(row['slot'])} out")
        if row["hypothesis"]:
            said.append(f"\n{printable(row['hypothesis'], MAX_TEXT)}", style="dim")
        if row["why"]:
            said.append(f"\n{printable(row['why'], MAX_TEXT)}", style="dim")
        is_known = row["effect"] is not None
        made.add_row(
            str(row["round"]),
            said,
            points(row["effect"]) if is_known else "",
            escape(f"[{points(row['low'])}, {points(row['high'])}]") if is_known else "",
            Text(row["outcome"], style=_STYLES.get(row["outcome"], "")),
        )
    if rows:
        readers().print(made)


def _call_line(call: Mapping[str, Any]) -> str:
    """When the proposer was asked, for what, and why or why not; as markup."""
    weighed = f"expected gain {points(call['gain'])} points, price {points(call['price'])}"
    when = f"Round {call['round']}, after {call['calls_used']:,} calls: "
    if call["operator"] == NO_OPERATOR:
        return f"{when}not asked ({weighed})"
    fault = f"; [yellow]{clean(printable(call['fault'], MAX_TEXT))}[/]" if call["fault"] else ""
    return f"{when}{clean(call['operator'])}, {call['proposed']} proposed, {call['kept']} kept ({weighed}){fault}"
