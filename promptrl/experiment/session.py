"""One run at work: everything that carries it out, in one value."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from promptrl.config import ExperimentConfig
from promptrl.errors import (
    GradingError,
    PromptrlError,
    RunFolderError,
    ScoresMissingError,
    StopRequestedError,
    TargetError,
)
from promptrl.evaluation.evaluator import Evaluator
from promptrl.evaluation.outcome import Outcome
from promptrl.experiment.build import Components
from promptrl.experiment.engines import Models, make_evaluator
from promptrl.experiment.events import Observer
from promptrl.experiment.progress import Progress, Timekeeper
from promptrl.experiment.proposing import Proposer
from promptrl.llm.engine.budget import Budget
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.runs.charge_file import ChargeFile
from promptrl.runs.folder import CONFIG_NAME, Run
from promptrl.runs.growth_file import GrowthFile
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.runs.proposal_file import ProposalFile
from promptrl.search.growth import Grow
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits


@dataclass(frozen=True, slots=True)
class RunSession:
    """What the stages of one run work with.

    Attributes:
        components: The config and what was built from it; for a fold its rows and its share of the calls.
        run: The folder.
        budget: What may be spent.
        evaluator: Answers prompts on rows, and remembers the outcomes.
        progress: Reports to observers how far the run is.
        growth: What the spaces of its searches have gained so far.
        grow: Says what they gain further; None = nothing.
        proposer: Proposes what they gain; None = nobody does.
    """

    components: Components
    run: Run
    budget: Budget
    evaluator: Evaluator
    progress: Progress
    growth: GrowthFile
    grow: Grow | None = None
    proposer: Proposer | None = None

    @property
    def config(self) -> ExperimentConfig:
        """The values of the config."""
        return self.components.config

    def of_fold(self, fold: Splits) -> "RunSession":
        """The same run, for the search that a fold judges."""
        return replace(self, components=self.components.of_fold(fold))

    def in_space(self, space: EditSpace) -> "RunSession":
        """The same run, once a search has made its space larger."""
        return replace(self, components=replace(self.components, space=space))

    def outcomes_of(self, prompt: Prompt, rows: Iterable[Example]) -> list[Outcome]:
        """What a prompt answered on some rows."""
        ids = {row.id for row in rows}
        return [o for o in self.evaluator.outcomes if o.prompt_id == prompt.prompt_id and o.row_id in ids]


@contextmanager
def open_session(
    components: Components, run: Run, models: Models, budget: Budget, observe: Observer, grow: Grow | None = None
) -> Iterator[RunSession]:
    """Work on a run while inside; what it knows from before an interruption is taken up.

    Args:
        components: What the run is made of.
        run: Its folder, locked by this process.
        models: Where answers come from.
        budget: Theirs.
        observe: Called with every event.
        grow: Says what the spaces of its searches gain; None = nothing.
    """
    space = components.space
    with ExitStack() as files:
        if budget.limits_cost:
            charges = files.enter_context(closing(ChargeFile(run.path)))
            budget.keep_charges(charges.note, charges.earlier)
        describe, note = partial(space.describe, space.baseline), Timekeeper(run, budget).note
        log = files.enter_context(closing(OutcomeFile(run.path, describe, note)))
        evaluator = make_evaluator(components, models, budget, log, log.known, log.unscored)
        progress = Progress(components, budget, models.target, evaluator, log.text_of, observe)
        proposer = _open_proposer(components, run, models, budget, observe)
        yield RunSession(components, run, budget, evaluator, progress, GrowthFile(run.path), grow, proposer)


def _open_proposer(
    components: Components, run: Run, models: Models, budget: Budget, observe: Observer
) -> Proposer | None:
    """Who proposes edits in a run, if anyone is to; what it has cost before an interruption is booked."""
    if components.config.edits.proposed is None:
        return None
    engine = models.below("edits.rewrite") or models.target
    file = ProposalFile(run.path)
    budget.carry_over(answer for answer in file.answers if not answer.is_cached)
    return Proposer(engine, components.proposer_params, budget, file, observe)


@contextmanager
def status_kept(run: Run, budget: Budget) -> Iterator[None]:
    """Write into run.json how a run ended that did not finish and how long it took; note how it goes on, if it can.

    What can't be written is only noted: the error that ended the run is the one to tell.
    """
    try:
        yield
    except (StopRequestedError, KeyboardInterrupt) as error:
        _end(run, budget, error, status="interrupted")
        raise
    except PromptrlError as error:
        _end(run, budget, error, status="failed", error=str(error))
        raise
    except BaseException as error:
        _end(run, budget, error, status="failed", error=f"bug: {type(error).__name__}")
        raise


def _end(run: Run, budget: Budget, cause: BaseException, **changes: object) -> None:
    """Write down how a run ended; one that is done, whose observers were still being told, stays so."""
    try:
        if run.result is not None:
            return
        run.update(elapsed_s=round(budget.elapsed_s, 3), **changes)
    except RunFolderError as fault:
        cause.add_note(str(fault))
    if (run.path / CONFIG_NAME).is_file():
        for note in _ways_on(run, cause):
            cause.add_note(note)


def _ways_on(run: Run, cause: BaseException) -> Iterator[str]:
    """How a run goes on, in sentences; nothing where it would end the same way again."""
    if isinstance(cause, GradingError | ScoresMissingError):
        yield f"It would meet the same again: once the metric is mended, promptrl resume {run.path} carries it on."
    elif isinstance(cause, StopRequestedError | KeyboardInterrupt | TargetError | RunFolderError):
        yield f"promptrl resume {run.path} carries it on."
    if isinstance(cause, ScoresMissingError):
        yield "If it only takes long, raise its timeout_s and train again: answers in the cache are not paid for twice."
