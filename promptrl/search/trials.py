"""The door of a search to the model: asks within the search's calls, keeps what was answered, reports progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import Extension
from promptrl.search.context import SearchContext, evaluate_batch
from promptrl.search.events import SearchProgress
from promptrl.search.growth import Beliefs, Growth, GrowthRequest, no_beliefs
from promptrl.search.result import Candidate, SearchResult, StopReason

PRIOR_SD = 0.5


@dataclass(slots=True)
class Record:
    """What is known of one prompt.

    Attributes:
        prompt: It.
        objectives: Objective by row index, in the order of the answers.
        tried: Row indices that were asked, answered or not.
    """

    prompt: Prompt
    objectives: dict[int, float] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)


class Trials:
    """Asks prompts on train rows and remembers the answers.

    A search works until ``is_over``: its calls are spent, another limit of the budget was hit, or someone said stop.

    Attributes:
        space: The edits, all that there are by now.
        rows: Train rows; algorithms speak of them by index.
        records: By prompt id, in the order of first answers.
        grown_at: Calls used when edits last joined the space; None = none did.

    Args:
        context: Of the search.
        can_grow: Whether the search takes in what the space gains.

    Raises:
        ConfigError: The space is to grow, and the search can't take that.
    """

    def __init__(self, context: SearchContext, *, can_grow: bool = False) -> None:
        if not can_grow:
            context.require_fixed_space()
        self.space = context.space
        self.rows = tuple(context.rows)
        self._used_before = context.evaluator.calls_used("search")
        self.records: dict[str, Record] = {}
        self.grown_at: int | None = None
        self._context = context
        self._stop_reason: StopReason | None = None

    @property
    def calls_left(self) -> int:
        """Calls that the search may still spend."""
        return self._context.evaluator.calls_left("search")

    @property
    def calls_used(self) -> int:
        """Calls that the search has spent."""
        return self._context.evaluator.calls_used("search") - self._used_before

    @property
    def calls_allowed(self) -> int:
        """Calls of the whole search, as far as one can say now."""
        return self.calls_used + self.calls_left

    def has_left(self, share: float) -> bool:
        """Whether more than this share of its calls is left to the search."""
        return self.calls_left > int(share * self.calls_allowed)

    @property
    def stop_reason(self) -> StopReason:
        """Why the search is over; "converged" when nothing but the algorithm itself ended it."""
        return self._stop_reason or ("budget" if self.calls_left <= 0 else "converged")

    @property
    def is_over(self) -> bool:
        """Whether nothing may be asked any more."""
        if self._stop_reason is None and self._context.should_stop():
            self._stop_reason = "stopped"
        return self._stop_reason is not None or self.calls_left <= 0

    def ask(self, asks: Sequence[tuple[Prompt, int]], uniform: Sequence[bool] = ()) -> NDArray[np.float64]:
        """Ask pairs of prompt and row index in one batch; pairs answered before are free.

        What the calls left can't pay for is not asked.

        Args:
            asks: The pairs.
            uniform: Which pairs' prompts were drawn uniformly from the space; none of them unless given.

        Returns:
            The objective per pair, NaN where there is no answer.
        """
        affordable = [] if self.is_over else self._affordable(asks)
        batch = evaluate_batch(self._context.evaluator, [(p, self.rows[r]) for p, r in affordable], uniform)
        if batch.cut_short:
            self._stop_reason = "budget"
        for at, outcome in batch.outcomes.items():
            prompt, r = affordable[at]
            self.records.setdefault(prompt.prompt_id, Record(prompt)).tried.add(r)
            if outcome is not None:
                self.records[prompt.prompt_id].objectives.setdefault(r, outcome.objective)
        return np.array([self.answer(prompt, r) for prompt, r in asks])

    def grow(
        self,
        leaders: Sequence[Candidate],
        *,
        is_exhausted: bool,
        beliefs: Callable[[], Beliefs | None] = no_beliefs,
    ) -> tuple[Extension, Growth] | None:
        """Let the space gain what it is to gain now; None when it stays as it is.

        Args:
            leaders: Every prompt asked, the best first.
            is_exhausted: Whether nothing is left to ask.
            beliefs: Gives what is believed of edits.

        Returns:
            The larger space, and what it gained.
        """
        if self._context.grow is None:
            return None
        request = GrowthRequest(self.calls_used, leaders, is_exhausted, self.calls_allowed, beliefs, self.space)
        growth = self._context.grow(request)
        if growth is None or growth.is_empty:
            return None
        extension = self.space.extended(options=growth.options, retired=growth.retired)
        self.space = extension.space
        if growth.options:
            self.grown_at = self.calls_used
        return extension, growth

    def answer(self, prompt: Prompt, r: int) -> float:
        """The objective of a prompt on a row, NaN when it has none."""
        record = self.records.get(prompt.prompt_id)
        return float("nan") if record is None else record.objectives.get(r, float("nan"))

    def untried_rows(self, prompt: Prompt) -> list[int]:
        """Indices of the rows that a prompt was not asked on, ascending."""
        record = self.records.get(prompt.prompt_id)
        tried = record.tried if record else set()
        return [r for r in range(len(self.rows)) if r not in tried]

    def report(self, best: Candidate | None, baseline_mean: float, env_steps: int = 0) -> None:
        """Emit how far the search is.

        Args:
            best: The prompt now estimated best.
            baseline_mean: Expected objective of the baseline.
            env_steps: Edits tried so far.
        """
        self._context.emit(
            SearchProgress(
                calls_used=self.calls_used,
                calls_allowed=self.calls_allowed,
                env_steps=env_steps,
                prompts_seen=len(self.records),
                best_prompt_id=best.prompt.prompt_id if best else None,
                best_mean=best.mean if best else 0.0,
                best_sd=best.sd if best else 0.0,
                baseline_mean=baseline_mean,
            )
        )

    def result(self, candidates: Sequence[Candidate]) -> SearchResult:
        """What a search without an agent hands on; its steps are the prompts that it asked.

        Args:
            candidates: Best first.
        """
        return SearchResult(
            candidates=tuple(candidates),
            stop_reason=self.stop_reason,
            env_steps=len(self.records),
            calls_used=self.calls_used,
            space=self.space,
            agent=None,
            grown_at=self.grown_at,
        )

    def _affordable(self, asks: Sequence[tuple[Prompt, int]]) -> list[tuple[Prompt, int]]:
        """The longest start of the list that the calls left pay for."""
        left = self.calls_left
        new: set[tuple[str, int]] = set()
        kept = []
        for prompt, r in asks:
            key = (prompt.prompt_id, r)
            if np.isnan(self.answer(prompt, r)) and key not in new:
                if len(new) == left:
                    break
                new.add(key)
            kept.append((prompt, r))
        return kept
