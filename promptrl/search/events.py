"""The events of a search; frozen values, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """After a batch of answers.

    Attributes:
        calls_used: Calls spent by this search.
        calls_allowed: Its share.
        env_steps: Edits tried, over all environments; imagined ones where the search plans.
        prompts_seen: Distinct prompts asked.
        best_prompt_id: The prompt estimated best on train rows; None before the first answer.
        best_mean: Its expected objective.
        best_sd: Standard deviation of that estimate.
        baseline_mean: The baseline's expected objective.
    """

    calls_used: int
    calls_allowed: int
    env_steps: int
    prompts_seen: int
    best_prompt_id: str | None
    best_mean: float
    best_sd: float
    baseline_mean: float


@dataclass(frozen=True, slots=True)
class FinalistsProgress:
    """After a round of the finals.

    Attributes:
        round: 1-based.
        rounds: Rounds in all.
        calls_used: Validation calls spent so far.
        calls_allowed: Their share.
        rows: Validation rows that the leader and the baseline both answered.
        alive: Ids of the prompts that can still win, the best first.
        leader_difference: The leader's mean objective minus the baseline's on these rows.
    """

    round: int
    rounds: int
    calls_used: int
    calls_allowed: int
    rows: int
    alive: tuple[str, ...]
    leader_difference: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the inside of a search looks like, to be logged: SB3's own figures and the surrogate's.

    Attributes:
        step: What they are plotted over: calls used where the search plans, environment steps on the live model.
        values: By name, such as ``rollout/ep_rew_mean`` or ``surrogate/noise``.
    """

    step: int
    values: Mapping[str, float]


SearchEvent = SearchProgress | FinalistsProgress | Figures
