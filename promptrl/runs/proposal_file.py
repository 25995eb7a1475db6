"""What the proposer of a run was told and said, and what became of that: written down before use, read at resume."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from promptrl.llm.base import Completion, Message, Messages
from promptrl.runs.formats import PROPOSED
from promptrl.runs.outcome_file import cut_torn_line
from promptrl.runs.reading import read_lines
from promptrl.runs.writing import put_on_disk, write_line, writing

PROPOSALS_NAME = "proposals.jsonl"


@dataclass(frozen=True, slots=True)
class JudgedProposal:
    """A proposal of an answer.

    Attributes:
        slot: As the proposer named the part; of something that is no proposal empty, like the rest.
        op: What it does there.
        text: The new content, or what stood there instead of a proposal.
        hypothesis: Why it should help.
        rows: Ids of the rows that speak for it.
        rejected: Why, by guard; empty where it may be asked.
    """

    slot: str
    op: str
    text: str
    hypothesis: str = ""
    rows: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptEdit:
    """A proposal that became an option.

    Attributes:
        slot: The slot of the space.
        text: The option.
        round: The round whose answer proposed it; it may be an earlier one.
        proposal: Its position in that answer.
    """

    slot: str
    text: str
    round: int
    proposal: int


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """One time at which a proposer was asked, or might have been.

    Attributes:
        search: Which search of the run, from 0.
        round: Of the search, from 0.
        attempt: Which call of the round, from 0: an answer that can't be read is asked for once more.
        calls_used: Calls that the search had spent.
        is_exhausted: Whether it had nothing left to ask.
        operator: The kind of edit that was asked for; "none" = the proposer was not asked.
        gain: What the edits were expected to add to the objective.
        price: What the calls were expected to add without them.
        messages: What was asked.
        answer: What came; None when nothing did.
        fault: What is wrong with that; empty when nothing is.
        proposals: In the order of the answer, with the verdicts of the guards.
        kept: What joined the space.
    """

    search: int
    round: int
    attempt: int
    calls_used: int
    is_exhausted: bool
    operator: str
    gain: float
    price: float
    messages: Messages = ()
    answer: Completion | None = None
    fault: str = ""
    proposals: tuple[JudgedProposal, ...] = ()
    kept: tuple[KeptEdit, ...] = ()

    @property
    def is_call(self) -> bool:
        """Whether the proposer was asked."""
        return bool(self.messages)


class ProposalFile:
    """Keeps ``proposals.jsonl``.

    Attributes:
        records: All so far, those of an earlier process of the run among them.

    Args:
        folder: Of the run; a line that an earlier process left torn is cut off first.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROPOSALS_NAME
        cut_torn_line(self._path)
        self.records = read_proposals(folder)

    @property
    def answers(self) -> list[Completion]:
        """Every answer of the proposer so far."""
        return [record.answer for record in self.records if record.answer is not None]

    def of_search(self, search: int) -> list[ProposalRecord]:
        """The records of one search."""
        return [record for record in self.records if record.search == search]

    def append(self, record: ProposalRecord) -> None:
        """Write a record down for good.

        Raises:
            RunFolderError: It can't be written.
        """
        with writing(self._path), self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            write_line(file, asdict(record))
            put_on_disk(file)
        self.records.append(record)


def read_proposals(folder: Path) -> list[ProposalRecord]:
    """What the proposer of a run was told and said so far.

    Raises:
        RunFolderError: The file is damaged.
    """
    return [_record(row) for row in read_lines(folder / PROPOSALS_NAME, PROPOSED)]


def _record(row: Mapping[str, Any]) -> ProposalRecord:
    return ProposalRecord(
        **{
            **row,
            "messages": tuple(Message(**message) for message in row["messages"]),
            "answer": None if row["answer"] is None else Completion(**row["answer"]),
            "proposals": tuple(_judged(proposal) for proposal in row["proposals"]),
            "kept": tuple(KeptEdit(**kept) for kept in row["kept"]),
        }
    )


def _judged(row: Mapping[str, Any]) -> JudgedProposal:
    return JudgedProposal(**{**row, "rows": tuple(row["rows"])})
