"""Finds the winner: a search on train rows, then finals and pruning on validation rows."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from promptrl.errors import BudgetExhaustedError
from promptrl.experiment.call_plan import MIN_FINALIST_CALLS
from promptrl.experiment.search_stage import search_prompts
from promptrl.experiment.session import RunSession
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import Extension

if TYPE_CHECKING:
    from promptrl.search.result import Candidate, Decision, SearchResult
    from promptrl.selection.finalists import FinalistsResult
    from promptrl.selection.pruning import Gain, Pruning


@dataclass(frozen=True, slots=True)
class Found:
    """What a search and its finals came to; the winner is what pruning left of the finals' own."""

    search: "SearchResult"
    finals: "FinalistsResult"
    pruning: "Pruning"

    @property
    def winner(self) -> Prompt:
        """The prompt that the run proves."""
        return self.pruning.prompt


def find_winner(session: RunSession, earlier: Sequence[Prompt] = ()) -> Found:
    """Search on train rows; finals and pruning on validation rows, whose calls are reserved first.

    Args:
        session: The run.
        earlier: Winners of earlier folds, which take part in the finals.

    Raises:
        BudgetExhaustedError: The budget ended before anything could be chosen.
    """
    from promptrl.selection.pruning import prune_winner

    session.budget.reserve_share("validation", session.components.plan.validation)
    search = _in_larger_space(_search(session), session.growth.options)
    session = session.in_space(search.space)
    components, evaluator = session.components, session.evaluator
    finals = _hold_finals(session, search, earlier)
    left = evaluator.calls_left("validation")
    pruning = prune_winner(
        finals.winner,
        components.space,
        components.splits.validation,
        evaluator,
        max_calls=left,
        gain=_belief(search),
    )
    session.progress.calls_made("validation")
    return Found(search, finals, pruning)


def _search(session: RunSession) -> "SearchResult":
    """Search, and write down how long it computed."""
    began_s = time.monotonic() - session.evaluator.asking_s
    search = search_prompts(session)
    session.run.update(search_own_s=round(time.monotonic() - began_s - session.evaluator.asking_s, 3))
    if not search.candidates:
        raise BudgetExhaustedError("the budget ended before the first prompts were scored")
    return search


def _belief(search: "SearchResult") -> "Gain | None":
    """What the search itself believes of two prompts, without the rows that pruning asks; None = nothing."""
    if search.surrogate is None:
        return None
    from promptrl.search.surrogate.belief import believed_gain
    from promptrl.search.surrogate.features import Moves
    from promptrl.search.surrogate.model import Surrogate

    return believed_gain(Surrogate.from_state(search.surrogate), Moves(search.space))


def _in_larger_space(search: "SearchResult", options: Mapping[str, Sequence[str]]) -> "SearchResult":
    """The same search where edits are known that earlier searches of the run gained: their winners may hold them."""
    extension = search.space.with_options(options)
    if extension is None:
        return search
    from promptrl.search.surrogate.extension import extend_state
    from promptrl.search.surrogate.features import Moves

    decisions = tuple(_renumbered(decision, extension) for decision in search.decisions)
    surrogate = search.surrogate
    if surrogate is not None:
        moves, places = Moves(search.space).extended(extension)
        surrogate = extend_state(surrogate, moves.table, places, moves.features(extension.space.baseline))
    return replace(search, space=extension.space, decisions=decisions, surrogate=surrogate)


def _renumbered(decision: "Decision", extension: Extension) -> "Decision":
    """What an agent decided, under the numbers of a larger space, whose further edits it didn't know."""
    probabilities = np.zeros(extension.space.n_actions if decision.probabilities else 0)
    if decision.probabilities:
        probabilities[extension.actions] = decision.probabilities
    return replace(
        decision, action=int(extension.actions[decision.action]), probabilities=tuple(probabilities.tolist())
    )


def _candidates(search: "SearchResult", earlier: Sequence[Prompt]) -> "list[Candidate]":
    """The search's own, with the winners of earlier folds behind the first."""
    from promptrl.search.posterior import NO_IDEA_SD
    from promptrl.search.result import Candidate

    first, *others = search.candidates
    known = {candidate.prompt.prompt_id: candidate for candidate in search.candidates}
    invited = [known.get(p.prompt_id) or Candidate(p, first.mean, NO_IDEA_SD, answers=0) for p in earlier]
    return [first, *invited, *others]


def _hold_finals(session: RunSession, search: "SearchResult", earlier: Sequence[Prompt]) -> "FinalistsResult":
    from promptrl.search.posterior import posterior_of
    from promptrl.selection.finalists import MAX_FINALISTS, choose_winner
    from promptrl.selection.pruning import calls_wanted

    components, plan = session.components, session.components.plan
    candidates = _candidates(search, earlier)
    likely = [candidate.prompt for candidate in candidates[:MAX_FINALISTS]]
    left = session.evaluator.calls_left("validation")
    finals_calls = max(plan.finals, plan.validation - calls_wanted(likely, components.space))
    return choose_winner(
        candidates=candidates,
        posterior=posterior_of(search, components.splits.validation),
        baseline=components.space.baseline,
        rows=components.splits.validation,
        evaluator=session.evaluator,
        max_calls=min(
            finals_calls, max(min(left, MIN_FINALIST_CALLS), math.ceil(left * finals_calls / plan.validation))
        ),
        rng=np.random.default_rng(session.config.seed),
        on_event=session.progress.on_search,
    )
