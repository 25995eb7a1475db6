"""Asks a model for edits while a search works: when, for what, and what of its answers joins the space.

Every call and every decision is in ``proposals.jsonl`` before it is used; a resumed run reads it there, so that the
proposer is asked for nothing twice. Whatever is wrong with the proposer, the search goes on with what it has.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promptrl.errors import BudgetExhaustedError, StopRequestedError, TargetError
from promptrl.evaluation.evaluator import Evaluator
from promptrl.experiment.briefings import find_cases, make_briefing
from promptrl.experiment.cases import Cases
from promptrl.experiment.events import EditsProposed, EditsRetired, Observer
from promptrl.experiment.proposal_choice import Choice, ProposerData, judge_proposals
from promptrl.llm.base import Completion, Messages, Request
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.proposer.briefing import ask_again, brief
from promptrl.prompts.proposer.operators import NO_OPERATOR, OPERATORS
from promptrl.prompts.proposer.parsing import ParsedAnswer, parse_answer
from promptrl.prompts.space import EditSpace
from promptrl.runs.proposal_file import KeptEdit, ProposalFile, ProposalRecord
from promptrl.search.growth import EditBelief, Growth, GrowthRequest, Option
from promptrl.search.proposing import ASKS_EACH, ProposerDecision, decide, is_due, is_worthless

ATTEMPTS = 2
"""Calls of a round at most: an answer that can't be read is asked for once more."""


@dataclass(frozen=True, slots=True)
class ProposerRules:
    """How a proposer is used in a search.

    Attributes:
        rounds: Calls of it at most.
        keep: Edits that are kept of each round.
        max_prompt_tokens: About how many tokens the prompt may have with all of them; None = any number.
        rules: What it must know or must not do.
        from_start: Whether it is asked before any other call.
        seed: Of what is drawn.
    """

    rounds: int
    keep: int
    max_prompt_tokens: int | None
    rules: tuple[str, ...]
    from_start: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Proposer:
    """The model that proposes, and where its words are kept.

    Attributes:
        engine: Asks it.
        params: Sampling parameters.
        budget: Its share pays.
        file: Keeps what it was told and said.
        observe: Called with what came of it.
    """

    engine: Engine
    params: Mapping[str, Any]
    budget: Budget
    file: ProposalFile
    observe: Observer


class Proposing:
    """A ``Grow`` that asks a proposer, and retires edits that turn out to be worth nothing.

    What it does follows from its file and the request alone. Calls from before an interruption count as made now.

    Args:
        proposer: Who is asked.
        search: Number of the search in its run.
        rules: How.
        data: The rows.
        evaluator: Knows the answers.
        first: The space at the start: what it says is the user's own.
    """

    def __init__(
        self,
        proposer: Proposer,
        search: int,
        rules: ProposerRules,
        data: ProposerData,
        evaluator: Evaluator,
        first: EditSpace,
    ) -> None:
        self._proposer = proposer
        self._search = search
        self._rules = rules
        self._data = data
        self._evaluator = evaluator
        self._choice = Choice(data, first, rules.keep, rules.max_prompt_tokens)
        answers = [record.answer for record in self._records if record.answer is not None]
        proposer.budget.take_calls("proposer", len(answers))
        proposer.budget.count_cached(sum(answer.is_cached for answer in answers))
        for answer in answers:
            proposer.budget.count_used("proposer", answer)

    def __call__(self, request: GrowthRequest) -> Growth | None:
        """As ``Grow`` says."""
        if request.space is None:
            raise ValueError("a proposer must know the space that it adds to")
        retired = self._worthless(request, request.space)
        kept = self._proposed(request, request.space)
        if retired:
            self._proposer.observe(EditsRetired(tuple(text for _, text in retired)))
        growth = Growth(_by_slot((edit.slot, edit.text) for edit in kept), _by_slot(retired), ASKS_EACH)
        return None if growth.is_empty else growth

    @property
    def _records(self) -> list[ProposalRecord]:
        return self._proposer.file.of_search(self._search)

    @property
    def _calls_left(self) -> int:
        return self._rules.rounds - sum(record.is_call for record in self._records)

    def _proposed(self, request: GrowthRequest, space: EditSpace) -> Sequence[KeptEdit]:
        """The edits that join now: those of a round that is due, asked now or before an interruption."""
        records = self._records
        last = records[-1] if records else None
        if last is not None and _came_here(last, request, space):
            return self._ask_again(request, space, last)
        number = 0 if last is None else last.round + 1
        is_time = is_due(number, self._rules.rounds, request, from_start=self._rules.from_start)
        if not is_time or not self._calls_left or any(_is_lost(record) for record in records):
            return ()
        decision = self._decide(request, number)
        record = ProposalRecord(
            search=self._search,
            round=number,
            attempt=0,
            calls_used=request.calls_used,
            is_exhausted=request.is_exhausted,
            operator=decision.operator,
            gain=decision.gain,
            price=decision.price,
        )
        if decision.operator == NO_OPERATOR:
            self._write(record)
            return ()
        cases = find_cases(request, space, self._data, self._evaluator.outcomes)
        return self._ask(request, space, cases, replace(record, messages=self._messages(request, space, cases, record)))

    def _decide(self, request: GrowthRequest, number: int) -> ProposerDecision:
        """Whether to ask, and for what kind of edit."""
        beliefs, records = request.beliefs(), self._records
        kept = [edit for record in records for edit in record.kept]
        needs = {"merge": len(kept) >= 2, "contrast": bool(kept)}
        operators = [name for name in OPERATORS if needs.get(name, True)]
        if beliefs is None:
            return ProposerDecision(operators[0], 0.0, 0.0)
        asked_for = {record.round: record.operator for record in records}
        by_operator: dict[str, list[EditBelief]] = {}
        for edit, belief in zip(kept, beliefs.of_options([(e.slot, e.text) for e in kept]), strict=True):
            by_operator.setdefault(asked_for[edit.round], []).append(belief)
        rng = np.random.default_rng([self._rules.seed, self._search, number])
        return decide(by_operator, operators, request, self._rules.keep, rng, self._price_in_calls)

    @property
    def _price_in_calls(self) -> float:
        """What a call of the proposer costs, in calls of the target; 1 unless dollars are limited and known."""
        told = [record.answer.cost_usd for record in self._records if record.answer]
        asked = [outcome.completion.cost_usd for outcome in self._evaluator.outcomes]
        ours, theirs = ([cost for cost in costs if cost] for costs in (told, asked))
        if self._proposer.budget.max_usd is None or not ours or not theirs:
            return 1.0
        return (sum(ours) / len(ours)) / (sum(theirs) / len(theirs))

    def _messages(self, request: GrowthRequest, space: EditSpace, cases: Cases, record: ProposalRecord) -> Messages:
        told = make_briefing(
            record.operator,
            2 * self._rules.keep,
            self._rules.rules,
            space=space,
            beliefs=request.beliefs(),
            cases=cases,
            data=self._data,
            records=self._records,
            tokens_left=self._choice.tokens_left(space, self._records),
        )
        return brief(told)

    def _ask(
        self, request: GrowthRequest, space: EditSpace, cases: Cases, record: ProposalRecord
    ) -> Sequence[KeptEdit]:
        """Ask, write down what came, and say what joins.

        Raises:
            StopRequestedError: The run is to end; an answer that came all the same is written down.
        """
        answer, fault, stop = self._complete(record.messages)
        record = replace(record, answer=answer, fault=fault)
        if answer is not None:
            parsed = ParsedAnswer((), f"no answer ({answer.fault})") if answer.fault else parse_answer(answer.text)
            known = self._choice.surroundings(space, self._records)
            judged = tuple(judge_proposals(parsed, known, cases.row_ids))
            record = replace(record, fault=parsed.fault, proposals=judged)
            kept = self._choice.choose(known, [*self._records, record], request.beliefs())
            record = replace(record, kept=tuple(kept))
        self._write(record)
        if stop is not None:
            raise stop
        return self._ask_again(request, space, record)

    def _ask_again(self, request: GrowthRequest, space: EditSpace, last: ProposalRecord) -> Sequence[KeptEdit]:
        """What joins by the last call of this round; if its answer could not be read, by another one."""
        is_unread = last.answer is not None and last.fault
        if not is_unread or last.attempt + 1 >= ATTEMPTS or not self._calls_left:
            return last.kept
        said = last.answer.text if last.answer else ""
        messages = ask_again(last.messages, said, last.fault)
        again = replace(last, attempt=last.attempt + 1, messages=messages, answer=None, fault="", proposals=(), kept=())
        return self._ask(request, space, find_cases(request, space, self._data, self._evaluator.outcomes), again)

    def _complete(self, messages: Messages) -> tuple[Completion | None, str, StopRequestedError | None]:
        """The answer, or what is wrong with the proposer; and that the run is to end, once this is written down."""
        number = sum(record.is_call for record in self._records)
        asked = Request(messages, self._proposer.params, number, "proposer")
        answer: Completion | None = None
        fault = ""
        try:
            with closing(self._proposer.engine.stream([asked])) as found:
                for _, got in found:
                    answer, fault = (got, "") if isinstance(got, Completion) else (None, got.message)
        except (TargetError, BudgetExhaustedError) as error:
            return None, str(error), None
        except StopRequestedError as error:
            if answer is None:
                raise
            return answer, fault, error
        if answer is not None:
            self._proposer.budget.count_used("proposer", answer)
        return answer, fault, None

    def _write(self, record: ProposalRecord) -> None:
        self._proposer.file.append(record)
        self._proposer.observe(
            EditsProposed(
                round=record.round + 1,
                rounds=self._rules.rounds,
                operator=record.operator,
                proposed=len(record.proposals),
                rejected=sum(bool(proposal.rejected) for proposal in record.proposals),
                kept=tuple(edit.text or f"{edit.slot} left out" for edit in record.kept),
                from_before=sum(edit.round != record.round for edit in record.kept),
                fault=record.fault,
            )
        )

    def _worthless(self, request: GrowthRequest, space: EditSpace) -> list[Option]:
        """Kept edits that had their own asks and are hardly worth anything."""
        beliefs = request.beliefs()
        if beliefs is None:
            return []
        there = {(edit.slot, edit.text) for at, edit in enumerate(space.edits) if not space.is_retired[at]}
        kept = [(edit.slot, edit.text) for record in self._records for edit in record.kept]
        tried = [option for option in kept if option in there]
        return [option for option, belief in zip(tried, beliefs.of_options(tried), strict=True) if is_worthless(belief)]


def _came_here(last: ProposalRecord, request: GrowthRequest, space: EditSpace) -> bool:
    """Whether a round came at this point of the search, and what it kept has not joined the space."""
    if (last.calls_used, last.is_exhausted) != (request.calls_used, request.is_exhausted):
        return False
    there = {(edit.slot, edit.text) for edit in space.edits}
    return not last.kept or any((edit.slot, edit.text) not in there for edit in last.kept)


def _is_lost(record: ProposalRecord) -> bool:
    """Whether the proposer could not be asked at all: then it is left alone for the rest of the search."""
    return record.is_call and record.answer is None


def _by_slot(options: Iterable[Option]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for slot, text in options:
        found[slot] = (*found.get(slot, ()), text)
    return found
