"""The story of one run, on one page: search, let the finalists meet, prove the winner on test rows, keep it all."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptrl.config import LoadedConfig
from promptrl.errors import BudgetExhaustedError, PromptrlError, RunLockedError, StopRequestedError, TargetError
from promptrl.evaluation.evaluator import Evaluator
from promptrl.evaluation.outcome import Outcome
from promptrl.experiment.build import Components, rebuild_components
from promptrl.experiment.edit_effects import attribute
from promptrl.experiment.engines import Engines, given_or_new, make_budget, make_evaluator, rows_per_look
from promptrl.experiment.events import Observer, RunFinished, ignore
from promptrl.experiment.progress import Progress, Timekeeper, run_started
from promptrl.experiment.provenance import describe_run
from promptrl.experiment.report import write_report
from promptrl.experiment.search_stage import search_prompts
from promptrl.experiment.test_stage import compare_prompts, earlier_winners, validate_progressively
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import Run, RunsFolder
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.runs.result import JudgedFold, PairedComparison, build_result, leaderboard_rows
from promptrl.runs.test_reuse import record_use
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits

if TYPE_CHECKING:
    from promptrl.search.result import SearchResult
    from promptrl.selection.finalists import FinalistsResult
    from promptrl.selection.pruning import Pruning

STOP_NAME = "STOP"
"""A file of this name in the folder of a running run ends it as Ctrl-C does."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run and what its result.json holds."""

    run: Run
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search and its finals came to; the winner is what pruning left of the finals' own."""

    search: "SearchResult"
    finals: "FinalistsResult"
    pruning: "Pruning"

    @property
    def winner(self) -> Prompt:
        return self.pruning.prompt


def train(
    loaded: LoadedConfig,
    components: Components,
    *,
    runs_dir: Path | None = None,
    engines: Engines | None = None,
    observe: Observer = ignore,
) -> TrainedRun:
    """Train from a config and keep everything in a new run folder.

    Args:
        loaded: The config.
        components: Built from it.
        runs_dir: Where the run folder goes; None = ``output.runs_dir`` of the config.
        engines: Where the target is opened, and who may end the run; None = for this run alone.
        observe: Told what happens.

    Raises:
        PromptrlError: The run could not be finished; its folder says so, and holds what was paid for.
    """
    folder = RunsFolder(runs_dir or Path(loaded.config.output.runs_dir))
    budget = make_budget(loaded)
    with given_or_new(engines) as opened:
        engine = opened.open(loaded, components, budget, folder.path)
        run = folder.create(loaded.config.name)
        with run.locked(), _status_kept(run, budget), opened.stop.by_file(run.path / STOP_NAME):
            run.start(describe_run(loaded, components), loaded.text, loaded.resolved_yaml())
            return _carry_out(loaded, components, run, engine, budget, observe)


def resume(run: Run, *, engines: Engines | None = None, observe: Observer = ignore) -> TrainedRun:
    """Carry an unfinished run to its end: it takes the same course again, and what it has answers for costs nothing.

    Raises:
        RunLockedError: The run is done, or another process works on it.
        PromptrlError: As for ``train``.
    """
    if run.status == "done":
        raise RunLockedError(f"run {run.id} is done: there is nothing to resume")
    if not (run.path / "config.resolved.yaml").is_file():
        raise RunLockedError(f"run {run.id} can't be resumed: it ended before its config was written down")
    with run.locked(), given_or_new(engines) as opened:
        loaded, components = rebuild_components(run)
        if components.data_hash != run.info.get("data_hash"):
            raise RunLockedError(f"run {run.id} can't be resumed: its data set has changed")
        budget = make_budget(loaded, elapsed_s=run.elapsed_s)
        engine = opened.open(loaded, components, budget, run.path.parent)
        with _status_kept(run, budget), opened.stop.by_file(run.path / STOP_NAME):
            run.update(status="running", error=None)
            return _carry_out(loaded, components, run, engine, budget, observe)


def _carry_out(
    loaded: LoadedConfig, components: Components, run: Run, engine: Engine, budget: Budget, observe: Observer
) -> TrainedRun:
    observe(run_started(run, components))
    result = _optimise(loaded, components, run, engine, budget, observe)
    result["engine"] = asdict(engine.stats)
    _report(run, result, components)
    run.finish(result)
    observe(RunFinished(run.id, str(run.path), result))
    return TrainedRun(run, result)


def _optimise(
    loaded: LoadedConfig, components: Components, run: Run, engine: Engine, budget: Budget, observe: Observer
) -> dict[str, Any]:
    """Search, finals, pruning, test; write the prompts down; return what result.json will hold."""
    config, space, splits = loaded.config, components.space, components.splits
    began_s = time.monotonic()
    known = run.outcomes()
    budget.reserve_share("test", components.plan.test)
    timekeeper = Timekeeper(run, budget)
    with closing(OutcomeFile(run.path, partial(space.describe, space.baseline), timekeeper.note)) as log:
        evaluator = make_evaluator(loaded, components, engine, budget, log, known, log.unscored)
        progress = Progress(components, budget, engine, log.text_of, observe)
        tested, judged = (
            _judge_folds(loaded, components, run, evaluator, progress, budget) if components.folds else (None, [])
        )
        share, earlier = components.of_fold(splits), earlier_winners(judged)
        found = _find_winner(loaded, share, run, evaluator, progress, budget, earlier)
        prompts = {"baseline": space.baseline, "winner": found.winner}
        is_same = found.winner.prompt_id == space.baseline.prompt_id
        if components.folds or not is_same:
            run.update(look=record_use(run.path.parent, splits.test, run.identity))
        if not components.folds and not is_same:
            tested = compare_prompts(evaluator, prompts, splits.test, "test", config.gate, rows_per_look(loaded))
        progress.calls_made("test")
    attribution = attribute(run, space, evaluator.outcomes, found.finals.winner, found.pruning, found.search.decisions)
    result = build_result(
        run_id=run.id,
        experiment=config.name,
        stop_reason=found.search.stop_reason,
        prompts=prompts,
        validated={label: _asked(evaluator, prompt, splits.validation) for label, prompt in prompts.items()},
        tested=tested,
        judged=judged,
        gate=config.gate,
        spent=budget.spent,
        wall_s=time.monotonic() - began_s,
        seed=config.seed,
        attribution=attribution,
    )
    run.write_json("attribution.json", attribution)
    run.write_json("leaderboard.json", leaderboard_rows(found.finals.leaderboard))
    run.write_text("best_prompt.txt", found.winner.text + "\n")
    run.write_json("best_prompt.json", result["winner"]["messages"])
    return result


def _find_winner(
    loaded: LoadedConfig,
    components: Components,
    run: Run,
    evaluator: Evaluator,
    progress: Progress,
    budget: Budget,
    earlier: Sequence[Prompt],
) -> "_Found":
    """Search on train rows; finals and pruning on validation rows, whose calls are reserved first.

    The winners of ``earlier`` folds take part in the finals.

    Raises:
        BudgetExhaustedError: The budget ended before anything could be chosen.
    """
    from promptrl.selection.finalists import MAX_FINALISTS, choose_winner, without_posterior
    from promptrl.selection.pruning import calls_wanted, prune_winner

    budget.reserve_share("validation", components.plan.validation)
    began_s = time.monotonic() - evaluator.asking_s
    search = search_prompts(loaded, components, run, evaluator, progress)
    run.update(search_own_s=round(time.monotonic() - began_s - evaluator.asking_s, 3))
    if not search.candidates:
        raise BudgetExhaustedError("the budget ended before the first prompts were scored")
    first, *others = search.candidates
    believed = {candidate.prompt.prompt_id: candidate for candidate in search.candidates}
    invited = [believed.get(p.prompt_id) or without_posterior(p, search.candidates[:MAX_FINALISTS]) for p in earlier]
    candidates = [first, *invited, *others]
    likely = [candidate.prompt for candidate in candidates[:MAX_FINALISTS]]
    finals = choose_winner(
        candidates=candidates,
        baseline=components.space.baseline,
        rows=components.splits.validation,
        evaluator=evaluator,
        max_calls=max(components.plan.finals, components.plan.validation - calls_wanted(likely, components.space)),
        rng=np.random.default_rng(loaded.config.seed),
        on_event=progress.on_search,
    )
    if not finals.leaderboard[0].rows:
        raise BudgetExhaustedError("the budget ended before the finalists could meet")
    left = evaluator.calls_left("validation")
    pruning = prune_winner(finals.winner, components.space, components.splits.validation, evaluator, max_calls=left)
    progress.calls_made("validation")
    return _Found(search, finals, pruning)


def _judge_folds(
    loaded: LoadedConfig, components: Components, run: Run, evaluator: Evaluator, progress: Progress, budget: Budget
) -> tuple[PairedComparison, list[JudgedFold]]:
    """Find a winner for each fold on the folds before it, with an equal share of the calls, and judge it there."""

    def find_winner(fold: Splits, earlier: Sequence[Prompt]) -> Prompt:
        share = components.of_fold(fold)
        budget.reserve_share("search", share.plan.search)
        found = _find_winner(loaded, share, run, evaluator, progress, budget, earlier)
        budget.release_share("search")
        return found.winner

    return validate_progressively(
        components.folds, find_winner, evaluator, components.space.baseline, loaded.config.gate
    )


def _report(run: Run, result: Mapping[str, Any], components: Components) -> None:
    """Write the report; a fault in it must not lose a run that was paid for, so run.json says what it was."""
    try:
        write_report(run, result, components)
    except PromptrlError:
        raise
    except Exception as error:
        run.update(report_error=f"{type(error).__name__}: {error}")


@contextmanager
def _status_kept(run: Run, budget: Budget) -> Iterator[None]:
    """Write into run.json how a run ended that did not finish and how long it took; note how it goes on, if it can."""

    def end(**changes: object) -> None:
        run.update(elapsed_s=round(budget.elapsed_s, 3), **changes)

    way_on = f"promptrl resume {run.path} carries it on."
    try:
        yield
    except (StopRequestedError, KeyboardInterrupt) as error:
        end(status="interrupted")
        error.add_note(way_on)
        raise
    except PromptrlError as error:
        end(status="failed", error=str(error))
        if isinstance(error, TargetError):
            error.add_note(way_on)
        raise
    except BaseException as error:
        end(status="failed", error=f"bug: {type(error).__name__}")
        raise


def _asked(evaluator: Evaluator, prompt: Prompt, rows: Iterable[Example]) -> list[Outcome]:
    """What a prompt answered on some rows."""
    ids = {row.id for row in rows}
    return [o for o in evaluator.outcomes if o.prompt_id == prompt.prompt_id and o.row_id in ids]
