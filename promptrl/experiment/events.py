"""The events of an experiment: observers only look, they never steer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.evaluation.doubts import Doubt
from promptrl.llm.base import Purpose
from promptrl.llm.engine.stats import EngineStats
from promptrl.search.events import Figures
from promptrl.stats.power import SplitPower
from promptrl.tasks.metrics.judge_check import JudgeCheck


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
        power: What the test rows can show.
        test_uses: How often the test rows have been used by earlier runs and evaluations.
        warnings: What looks odd about config and data, though it may be meant.
    """

    run_id: str
    path: str
    calls: Mapping[Purpose, int]
    rows: Mapping[str, int]
    n_edits: int
    n_prompts: int | None
    power: SplitPower
    test_uses: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeChecked:
    """A judge was asked about answers whose verdict is known.

    Attributes:
        check: How it did.
    """

    check: JudgeCheck


@dataclass(frozen=True, slots=True)
class CallsMade:
    """A batch of answers was written down.

    Attributes:
        stage: What they were asked for.
        used: Calls of this stage so far.
        allowed: Calls this stage may use; as far as one can say now where tokens or dollars are limited.
        total: Calls of the run so far.
        paid: Attempts sent to the target so far.
        cached: Answers that came from the cache so far.
        cost_usd: Paid so far; None when a price is unknown.
        engine: What the engine has done in this sitting.
    """

    stage: Purpose
    used: int
    allowed: int
    total: int
    paid: int
    cached: int
    cost_usd: float | None
    engine: EngineStats


@dataclass(frozen=True, slots=True)
class BestEstimated:
    """Which prompt the search thinks best on train rows.

    Attributes:
        prompt_id: The prompt.
        text: The prompt to read.
        objective: Estimated mean objective.
        deviation: Standard deviation of that estimate.
        baseline: The baseline's estimated mean objective.
    """

    prompt_id: str
    text: str
    objective: float
    deviation: float
    baseline: float


@dataclass(frozen=True, slots=True)
class FinalistsCompared:
    """A round of the finals on shared validation rows is over.

    Attributes:
        prompt_id: Who leads.
        text: The leader to read.
        difference: Its mean objective minus the baseline's.
        rows: Validation rows that both answered.
        left: Prompts that can still win.
    """

    prompt_id: str
    text: str
    difference: float
    rows: int
    left: int


@dataclass(frozen=True, slots=True)
class MeasurementDoubted:
    """The reasons to doubt that scores tell prompts apart are others than before.

    Attributes:
        stage: In which they were noticed, or went.
        doubts: All that there are now; empty when further answers have removed the last of them.
    """

    stage: Purpose
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class EditsProposed:
    """A model was asked for edits, or left alone for once.

    Attributes:
        round: Which time, from 1.
        rounds: How often at most.
        operator: The kind of edit that was asked for; "none" = it was not asked.
        proposed: How many it returned.
        rejected: How many of them broke a guard.
        kept: Texts of the edits that joined the space.
        from_before: How many of these were proposed in earlier rounds.
        fault: What is wrong with its answer, or with the proposer; the search goes on all the same.
    """

    round: int
    rounds: int
    operator: str
    proposed: int
    rejected: int
    kept: tuple[str, ...]
    from_before: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class EditsRetired:
    """Proposed edits that are hardly worth anything are tried no more.

    Attributes:
        texts: Theirs.
    """

    texts: tuple[str, ...]


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


Event = (
    RunStarted
    | JudgeChecked
    | CallsMade
    | BestEstimated
    | FinalistsCompared
    | MeasurementDoubted
    | Figures
    | EditsProposed
    | EditsRetired
    | RunFinished
)
Observer = Callable[[Event], None]
