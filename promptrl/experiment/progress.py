"""Turns what search and finals report into the events of an experiment."""

from collections.abc import Callable

from promptrl.evaluation.doubts import LEAST_SEARCHED, DoubtTally
from promptrl.evaluation.evaluator import Evaluator
from promptrl.experiment.build import Components
from promptrl.experiment.engines import make_grading
from promptrl.experiment.events import (
    BestEstimated,
    CallsMade,
    FinalistsCompared,
    JudgeChecked,
    MeasurementDoubted,
    Observer,
    RunStarted,
)
from promptrl.llm.base import Purpose
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.runs.folder import Run
from promptrl.runs.row_reuse import count_uses
from promptrl.search.events import Figures, SearchEvent, SearchProgress
from promptrl.tasks.metrics.judge_check import JudgeCheck

_NOTE_S = 5.0
"""Of these a kill can lose: a note costs a few milliseconds, for it is on disk before the run goes on."""


def run_started(run: Run, components: Components) -> RunStarted:
    """The first event of a run."""
    splits = components.splits
    return RunStarted(
        run_id=run.id,
        path=str(run.path),
        calls=components.plan.by_stage,
        rows={"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)},
        n_edits=len(components.space.edits),
        n_prompts=components.space.size(),
        power=components.power,
        test_uses=count_uses(run.path.parent, splits.test),
        warnings=tuple(map(str, components.warnings)),
    )


class Timekeeper:
    """Writes into run.json how long a run has taken, so that a resumed one keeps to its minutes.

    Args:
        run: The run.
        budget: Knows the time.
    """

    def __init__(self, run: Run, budget: Budget) -> None:
        self._run = run
        self._budget = budget
        self._noted_s = -float("inf")

    def note(self) -> None:
        """Write it if the last note is some seconds old."""
        elapsed_s = self._budget.elapsed_s
        if elapsed_s >= self._noted_s + _NOTE_S:
            self._run.update(elapsed_s=round(elapsed_s, 3))
            self._noted_s = elapsed_s


class Progress:
    """Emits what search and finals report as events, with what was spent beside it."""

    def __init__(
        self,
        components: Components,
        budget: Budget,
        engine: Engine,
        evaluator: Evaluator,
        texts: Callable[[str], str],
        observe: Observer,
    ) -> None:
        self._allowed = components.plan.by_stage
        self._budget = budget
        self._engine = engine
        self._evaluator = evaluator
        self._texts = texts
        self._observe = observe
        self._tally = DoubtTally(make_grading(components))
        self._told: list[tuple[str, str | None]] = []
        self._tallied = 0

    def on_search(self, event: SearchEvent) -> None:
        """Pass a report of search or finals on."""
        if isinstance(event, SearchProgress):
            self.calls_made("search")
            if event.best_prompt_id is not None:
                text = self._texts(event.best_prompt_id)
                figures = (event.best_mean, event.best_sd, event.baseline_mean)
                self._observe(BestEstimated(event.best_prompt_id, text, *figures))
        elif isinstance(event, Figures):
            self._observe(event)
        else:
            self.calls_made("validation")
            leader = event.alive[0]
            figures = (event.leader_difference, event.rows, len(event.alive))
            self._observe(FinalistsCompared(leader, self._texts(leader), *figures))

    def judge_checked(self, check: JudgeCheck) -> None:
        """Tell how a judge did on answers whose verdict is known."""
        self._observe(JudgeChecked(check))

    def calls_made(self, stage: Purpose) -> None:
        """Tell how far a stage is."""
        spent = self._budget.spent
        used, allowed = spent.calls.get(stage, 0), self._allowed[stage]
        if self._budget.limits_cost:
            allowed = min(allowed, used + self._budget.calls_left(stage))
        self._observe(
            CallsMade(
                stage=stage,
                used=used,
                allowed=allowed,
                total=spent.total,
                paid=spent.paid,
                cached=spent.cached,
                cost_usd=spent.cost_usd,
                engine=self._engine.stats,
            )
        )
        self._doubt(stage)

    def _doubt(self, stage: Purpose) -> None:
        """Tell the doubts where they are others than before."""
        outcomes = self._evaluator.outcomes
        self._tally.add(outcomes[self._tallied :])
        self._tallied = len(outcomes)
        doubts = self._tally.doubts(LEAST_SEARCHED)
        kinds = [doubt.about for doubt in doubts]
        if kinds != self._told:
            self._told = kinds
            self._observe(MeasurementDoubted(stage, doubts))
