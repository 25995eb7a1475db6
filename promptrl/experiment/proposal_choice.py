"""Which proposals of an answer may join a space, and which of those do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.proposer.guards import Surroundings, are_alike, broken_guards
from promptrl.prompts.proposer.parsing import Malformed, ParsedAnswer
from promptrl.prompts.proposer.parts import parts_of
from promptrl.prompts.proposer.proposal import Place, Proposal, next_rule, rule_after
from promptrl.prompts.proposer.row_words import RowText, RowWords
from promptrl.prompts.sentences import split_phrases
from promptrl.prompts.space import EditSpace
from promptrl.runs.proposal_file import JudgedProposal, KeptEdit, ProposalRecord
from promptrl.search.growth import Beliefs
from promptrl.search.proposing import choose_candidates
from promptrl.tasks.data_checks import label_counts
from promptrl.tasks.dataset import Example, accepted_answers, as_text


@dataclass(frozen=True, slots=True)
class ProposerData:
    """The rows of a run, as a proposer is shown them and held against them.

    Attributes:
        rows: That the search asks prompts on, by id.
        words: Of all rows of the run.
        labels: The answers that there are; empty where these are no few labels.
    """

    rows: Mapping[str, Example]
    words: RowWords
    labels: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Example], all_rows: Sequence[Example]) -> "ProposerData":
        """From the rows of a search and those of the run."""
        labels = tuple(label_counts(all_rows) or ())
        return cls({row.id: row for row in rows}, RowWords([_row_text(row) for row in all_rows], labels), labels)


class Choice:
    """Holds proposals against guards, and chooses among the sound ones.

    Args:
        data: The rows.
        first: The space at the start: what it says is the user's own.
        keep: Edits that are kept of each round.
        max_prompt_tokens: About how many tokens the prompt may have with all of them; None = any number.
    """

    def __init__(self, data: ProposerData, first: EditSpace, keep: int, max_prompt_tokens: int | None) -> None:
        self._data = data
        self._keep = keep
        self._max_prompt_tokens = max_prompt_tokens
        self._own = tuple(_own_texts(first))
        self._texts = {part.name: part.text for part in parts_of(first)}

    def surroundings(self, space: EditSpace, records: Sequence[ProposalRecord]) -> Surroundings:
        """What a proposal is held against now, after these calls."""
        proposed = (proposal.text for record in records for proposal in record.proposals if proposal.text)
        return Surroundings(
            parts=parts_of(space),
            own=self._own,
            rows=self._data.words,
            rule=next_rule(space.slot_order),
            tried=(*self._own, *proposed),
            tokens_left=self.tokens_left(space, records),
        )

    def tokens_left(self, space: EditSpace, records: Sequence[ProposalRecord]) -> float | None:
        """What the longest prompt with all kept edits leaves of the limit."""
        if self._max_prompt_tokens is None:
            return None
        longest: dict[str, float] = {}
        for edit in (edit for record in records for edit in record.kept):
            more = rough_tokens(edit.text) - rough_tokens(self._texts.get(edit.slot, ""))
            longest[edit.slot] = max(0.0, more, longest.get(edit.slot, 0.0))
        return self._max_prompt_tokens - rough_tokens(space.baseline.text) - sum(longest.values())

    def choose(
        self, known: Surroundings, records: Sequence[ProposalRecord], beliefs: Beliefs | None
    ) -> Iterator[KeptEdit]:
        """The proposals that join the space: of the last record, and of earlier ones that were passed over."""
        places = list(self._places(known, records))
        options = [(place.slot, place.text) for _, _, place in places]
        if beliefs is None or not options:
            chosen = list(range(len(options)))[: self._keep]
        else:
            chosen = choose_candidates(*beliefs.of_candidates(options), self._keep)
        left, n_rules = known.tokens_left, 0
        for at in chosen:
            number, position, place = places[at]
            more = max(0.0, rough_tokens(place.text) - rough_tokens(place.replaces))
            if left is not None and more > left:
                continue
            left = None if left is None else left - more
            slot = place.slot
            if place.is_new:
                slot, n_rules = rule_after(known.rule, n_rules), n_rules + 1
            yield KeptEdit(slot, place.text, number, position)

    def _places(self, known: Surroundings, records: Sequence[ProposalRecord]) -> Iterator[tuple[int, int, Place]]:
        """Where the proposals go that may be chosen, each rule in a slot of its own: round, position, place."""
        found: list[Place] = []
        for number, position, proposal in self._waiting(known, records):
            place = known.place(proposal)
            if place is None or any(_are_one(place, other) for other in found):
                continue
            if place.is_new:
                place = replace(place, slot=rule_after(known.rule, sum(other.is_new for other in found)))
            found.append(place)
            yield number, position, place

    def _waiting(self, known: Surroundings, records: Sequence[ProposalRecord]) -> Iterator[tuple[int, int, Proposal]]:
        """The sound proposals that are not in the space, the latest ones last."""
        kept = {(edit.round, edit.proposal) for record in records for edit in record.kept}
        still = replace(known, tried=self._own)
        for record in records:
            for position, told in enumerate(record.proposals):
                op: Any = told.op
                proposal = Proposal(told.slot, op, told.text)
                if told.rejected or (record.round, position) in kept:
                    continue
                if record is records[-1] or not broken_guards(proposal, still):
                    yield record.round, position, proposal


def judge_proposals(parsed: ParsedAnswer, known: Surroundings, row_ids: Sequence[str]) -> Iterator[JudgedProposal]:
    """Every proposal of an answer with the guards' verdicts; of several that say the same the first is heard.

    Args:
        parsed: The answer.
        known: What it is held against.
        row_ids: Of the cases that it speaks of, by their number from 1.
    """
    seen: list[str] = []
    for item in parsed.items:
        if isinstance(item, Malformed):
            yield JudgedProposal("", "", item.item, rejected={"form": item.reason})
            continue
        broken = broken_guards(item, known)
        if item.text and any(are_alike(text, item.text) for text in seen):
            broken.setdefault("repeats", "it says what an earlier one of this answer says")
        seen.append(item.text)
        rows = tuple(row_ids[number - 1] for number in item.rows if 0 < number <= len(row_ids))
        yield JudgedProposal(item.slot, item.op, item.text, item.hypothesis, rows, broken)


def _are_one(place: Place, other: Place) -> bool:
    """Whether two proposals would bring the same."""
    if place.text and other.text:
        return are_alike(place.text, other.text)
    return place.text == other.text and place.slot == other.slot


def _own_texts(space: EditSpace) -> Iterator[str]:
    """What the user's prompt says or may say, in texts and sentence by sentence."""
    texts = [text for part in parts_of(space) for text in part.options]
    texts += [text for _, text in space.baseline.slots]
    texts += [message.content for message in space.baseline.user.messages]
    for text in dict.fromkeys(filter(None, texts)):
        yield text
        yield from (phrase for phrase in split_phrases(text).phrases if phrase != text)


def _row_text(row: Example) -> RowText:
    known = () if row.reference is None else accepted_answers(row.reference)
    return RowText(row.id, tuple(map(as_text, row.fields.values())), tuple(map(as_text, known)))
