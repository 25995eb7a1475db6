"""What an experiment tells whoever watches: observers only look, they never steer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal["search", "validation", "test"]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run folder was taken and work begins.

    Attributes:
        run_id: The folder's name.
        path: The folder.
        calls: Calls allowed in each stage.
        rows: Examples in each split.
        n_edits: Actions of the agent, without "stop".
        n_prompts: Distinct prompts within reach; None when they are not a finite product.
    """

    run_id: str
    path: str
    calls: Mapping[str, int]
    rows: Mapping[str, int]
    n_edits: int
    n_prompts: int | None


@dataclass(frozen=True, slots=True)
class CallsMade:
    """A batch of answers was written down.

    Attributes:
        stage: What they were asked for.
        used: Calls of this stage so far.
        allowed: Calls this stage may use.
        total: Calls of the run so far.
        paid: Attempts sent to the target so far.
        cached: Answers that came from the cache so far.
        cost_usd: Paid so far; None when a price is unknown.
    """

    stage: Stage
    used: int
    allowed: int
    total: int
    paid: int
    cached: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class BestChanged:
    """Another prompt is now thought best.

    Attributes:
        stage: Where: in the search it is an estimate, in validation the finalists' shared rows.
        prompt_id: The prompt.
        text: The prompt to read.
        objective: Estimated mean objective.
        deviation: Standard deviation of that estimate.
        baseline: The baseline's estimated mean objective, if it has one yet.
    """

    stage: Stage
    prompt_id: str
    text: str
    objective: float
    deviation: float
    baseline: float | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """result.json is written.

    Attributes:
        run_id: The folder's name.
        path: The folder.
        result: What result.json holds.
    """

    run_id: str
    path: str
    result: Mapping[str, Any]


Event = RunStarted | CallsMade | BestChanged | RunFinished
Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Watch nothing."""
