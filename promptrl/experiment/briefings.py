"""What a proposer is told at one time in a search: the prompt, what is believed of its edits, cases, earlier tries."""

from collections.abc import Iterator, Sequence
from math import floor

from promptrl.evaluation.outcome import Outcome
from promptrl.experiment.cases import Cases, choose_cases, example_cases
from promptrl.experiment.proposal_choice import ProposerData
from promptrl.prompts.proposer.briefing import Briefing, ToldEdit, ToldPart, ToldTry
from promptrl.prompts.proposer.parts import parts_of
from promptrl.prompts.space import EditSpace
from promptrl.runs.proposal_file import ProposalRecord
from promptrl.search.growth import Beliefs, EditBelief, GrowthRequest, Option

POINTS = 100.0
TRIES_TOLD = 24


def find_cases(request: GrowthRequest, space: EditSpace, data: ProposerData, outcomes: Sequence[Outcome]) -> Cases:
    """The cases to speak of; none before a search has answers."""
    beliefs = request.beliefs()
    if beliefs is None:
        return Cases()
    prompts = {candidate.prompt.prompt_id: candidate.prompt for candidate in request.leaders}
    return choose_cases([o for o in outcomes if o.purpose == "search"], prompts, data.rows, space, beliefs)


def make_briefing(
    operator: str,
    most: int,
    rules: tuple[str, ...],
    *,
    space: EditSpace,
    beliefs: Beliefs | None,
    cases: Cases,
    data: ProposerData,
    records: Sequence[ProposalRecord],
    tokens_left: float | None,
) -> Briefing:
    """Put together what is told.

    Args:
        operator: The kind of edit.
        most: Edits that may be returned.
        rules: Of the user.
        space: All edits so far.
        beliefs: What is believed of them.
        cases: The cases.
        data: The rows.
        records: Earlier calls in this search.
        tokens_left: That the prompt may grow by.
    """
    names = space.baseline.user.placeholders
    return Briefing(
        operator=operator,
        most=most,
        parts=tuple(_parts(space, beliefs)),
        user_message="\n\n".join(message.content for message in space.baseline.user.messages),
        failures=cases.failures,
        contrasts=cases.contrasts,
        successes=cases.successes,
        examples=() if cases.row_ids else example_cases(data.rows.values(), names),
        tries=tuple(_tries(space, beliefs, records))[-TRIES_TOLD:],
        labels=data.labels,
        rules=rules,
        tokens_left=None if tokens_left is None else max(0, floor(tokens_left)),
    )


def _parts(space: EditSpace, beliefs: Beliefs | None) -> Iterator[ToldPart]:
    gone = _retired(space)
    for part in parts_of(space):
        options = [text for text in part.options if text != part.text and (part.name, text) not in gone]
        known = beliefs.of_options([(part.name, text) for text in options]) if beliefs else [None] * len(options)
        edits = (_told_edit(text, belief) for text, belief in zip(options, known, strict=True))
        yield ToldPart(part.name, part.text, tuple(edits))


def _tries(space: EditSpace, beliefs: Beliefs | None, records: Sequence[ProposalRecord]) -> Iterator[ToldTry]:
    """What was proposed and is not in use: why it was rejected, or what it did before it was retired."""
    for record in records:
        for proposal in record.proposals:
            if proposal.rejected:
                yield ToldTry(proposal.text, f"rejected: {'; '.join(proposal.rejected.values())}")
    gone = _retired(space)
    for (_, text), belief in zip(gone, beliefs.of_options(gone) if beliefs else (), strict=False):
        yield ToldTry(text, f"tried and dropped: it changed the score by about {POINTS * belief.mean:+.0f} points")


def _retired(space: EditSpace) -> list[Option]:
    return [(edit.slot, edit.text) for at, edit in enumerate(space.edits) if space.is_retired[at]]


def _told_edit(text: str, belief: EditBelief | None) -> ToldEdit:
    if belief is None:
        return ToldEdit(text)
    return ToldEdit(text, POINTS * belief.mean, POINTS * belief.low, POINTS * belief.high, belief.answers)
