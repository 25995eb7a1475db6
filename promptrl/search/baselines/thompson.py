"""Posterior sampling: what single edits make best under draws from the surrogate is asked."""

from promptrl.search.algorithms import BaselineSettings
from promptrl.search.context import SearchContext
from promptrl.search.planned.local_search import search_locally
from promptrl.search.planned.planner import PlanningRules
from promptrl.search.result import SearchResult


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Search in the surrogate as the planning loop does, with local search in the agent's place.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows for each prompt proposed.
    """
    return search_locally(context, PlanningRules(rows_per_prompt=settings.rows_per_prompt))
