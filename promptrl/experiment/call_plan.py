"""How the calls of a run are shared out: test first, then finals and pruning, the rest to the search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Purpose
from promptrl.selection.finalists import MAX_FINALISTS
from promptrl.selection.pruning import LEAST_CALLS, MIN_CONFIRMING_ROWS, ROWS_WANTED

MIN_FINALIST_CALLS = 40


FINALIST_SHARE = 0.25


LEAVE_ONE_OUT_SHARE = 0.25
"""Part of the finalists' calls that may be kept back for taking the winner's edits out again."""


PRUNING_SHARE = 0.05
"""Part of the calls beside the test's that the search gives up for the same purpose."""


MIN_SEARCH_CALLS = 20


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How the call budget is shared out.

    Attributes:
        search: Calls for rewards on train rows, at most.
        validation: Calls for the finalists, and for leaving out the winner's edits.
        test: Calls for the one comparison on test rows; reserved first.
        pruning: Calls of ``validation`` that are the search's gift to leaving out edits; the finals don't get them.
        beside: Calls that answers bring with them, by the name of the share that pays: those for the questions that
            metrics ask are the judge's; reserved first too.
        searches: How many searches, each with finals, share the calls.
    """

    search: int
    validation: int
    test: int
    pruning: int = 0
    beside: Mapping[Purpose, int] = field(default_factory=dict)
    searches: int = 1

    @property
    def finals(self) -> int:
        """Calls of ``validation`` that the finalists may use at least."""
        theirs = self.validation - self.pruning
        return max(min(theirs, MIN_FINALIST_CALLS), theirs - int(LEAVE_ONE_OUT_SHARE * theirs))

    @property
    def answers(self) -> int:
        """Answers of the target in the whole run at most."""
        return sum(self.by_stage.values())

    @property
    def total(self) -> int:
        """Calls of the whole run at most."""
        return sum(self.shares.values())

    @property
    def shares(self) -> dict[Purpose, int]:
        """All shares by name that hold calls: those of the judge only where metrics ask models."""
        return self.by_stage | {name: calls for name, calls in self.beside.items() if calls}

    @property
    def by_stage(self) -> dict[Purpose, int]:
        """The calls to the prompts, in the order in which they are spent."""
        return {"search": self.search, "validation": self.validation, "test": self.test}

    def shares_of(self, calls: int) -> dict[Purpose, int]:
        """The shares where tokens or dollars pay for no more than so many calls of the run.

        The test's is in full as long as it leaves each search and its finals the least that they need.
        """
        part = min(1.0, calls / self.total)
        answers = int(part * self.answers)
        least = (MIN_SEARCH_CALLS + MIN_FINALIST_CALLS) * self.searches
        test = min(self.test, max(int(part * self.test), answers - least))
        rest = max(0, answers - test)
        finals = min(self.validation - self.pruning, max(MIN_FINALIST_CALLS, int(FINALIST_SHARE * rest)))
        pruning = min(self.pruning, int(PRUNING_SHARE * rest))
        if int(LEAVE_ONE_OUT_SHARE * finals) + pruning < LEAST_CALLS:
            pruning = 0
        validation = finals + pruning
        beside = {name: int(part * count) for name, count in self.beside.items()}
        return {"search": max(0, rest - validation), "validation": validation, "test": test, **beside}


def plan_calls(
    max_calls: int,
    validation_rows: int,
    test_rows: int,
    searches: int = 1,
    *,
    most_edits: int = 0,
    beside: Mapping[Purpose, int] = MappingProxyType({}),
    before: Mapping[Purpose, int] = MappingProxyType({}),
) -> CallPlan:
    """Share out the calls: the test first, then the finalists and the pruning, the rest for the search.

    Args:
        max_calls: Of the whole run.
        validation_rows: Rows on which the finalists are compared.
        test_rows: Rows on which the winner is compared with the baseline, each as often as it is asked.
        searches: How many searches and finals share the calls.
        most_edits: That a winner may hold, and pruning leave out; with 0 none of the search's calls go to that.
        beside: Calls that one answer brings with it at most, by the name of the share that pays for them.
        before: Calls that are made before there is an answer, by the same names.

    Raises:
        ConfigError: Nothing would be left to search with.
        ValueError: A share bears the name of a stage.
    """
    test = 2 * test_rows
    per_answer = 1 + sum(beside.values())
    free = max_calls - sum(before.values())
    answers = free // per_answer
    rest = answers - test
    wanted = max(MIN_FINALIST_CALLS * searches, int(FINALIST_SHARE * rest))
    most = (MAX_FINALISTS + 1) * validation_rows * searches  # the baseline is asked too
    validation = min(wanted, most)
    search = rest - validation
    if search < MIN_SEARCH_CALLS * searches:
        least = test + min(MIN_FINALIST_CALLS * searches, most) + MIN_SEARCH_CALLS * searches
        message = f"got {max_calls}, but 2 × {test_rows} test rows and the finalists need their share first"
        least = least * per_answer + sum(before.values())
        raise ConfigError([Problem("budget.max_calls", message, f"at least {least}, or fewer test rows")])
    pruning = _pruning_calls(rest // searches, validation // searches, most_edits) * searches
    if search - pruning < MIN_SEARCH_CALLS * searches or validation_rows < MIN_CONFIRMING_ROWS:
        pruning = 0
    for_questions = _calls_beside(beside, free - answers)
    for_questions = {name: calls + before.get(name, 0) for name, calls in for_questions.items()}
    plan = CallPlan(search - pruning, validation + pruning, test, pruning, for_questions, searches)
    if taken := plan.by_stage.keys() & beside.keys():
        raise ValueError(f"{', '.join(sorted(taken))} can't be paid for beside the answers: stages have these names")
    return plan


def _calls_beside(beside: Mapping[Purpose, int], calls: int) -> dict[Purpose, int]:
    """Share out what is not for answers, in proportion; the last one takes what whole numbers leave over."""
    each = sum(beside.values())
    shares = {name: calls * count // each if each else 0 for name, count in beside.items()}
    if each:
        shares[next(reversed(shares))] += calls - sum(shares.values())
    return shares


def _pruning_calls(calls: int, of_finals: int, most_edits: int) -> int:
    """What one search gives up for pruning: no more than pruning can use, nothing if it is too little all the same."""
    kept_back = int(LEAVE_ONE_OUT_SHARE * of_finals)
    most = ROWS_WANTED * (most_edits + 1) - kept_back if most_edits > 1 else 0
    given = max(0, min(int(PRUNING_SHARE * calls), most))
    return given if kept_back + given >= LEAST_CALLS else 0
