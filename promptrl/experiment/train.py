"""The story of one run, on one page: search, compare the finalists, prove the winner on test rows, keep it all."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from promptrl.errors import ConfigError, Problem, PromptrlError, RunLockedError
from promptrl.evaluation.doubts import find_doubts
from promptrl.evaluation.outcome import count_faults
from promptrl.evaluation.pairing import first_inputs, inputs_of
from promptrl.experiment.build import Components, rebuild_components
from promptrl.experiment.call_plan import MIN_FINALIST_CALLS, MIN_SEARCH_CALLS
from promptrl.experiment.division import told_of
from promptrl.experiment.edit_effects import attribute
from promptrl.experiment.engines import Engines, Models, given_or_new, make_budget, make_grading, rows_per_look
from promptrl.experiment.events import Observer, RunFinished
from promptrl.experiment.finals_stage import Found, find_winner
from promptrl.experiment.given import NOTHING, Given
from promptrl.experiment.judge_stage import check_judges
from promptrl.experiment.observers import watched
from promptrl.experiment.progress import run_started
from promptrl.experiment.proof_stage import compare_prompts, earlier_winners, validate_progressively
from promptrl.experiment.proposal_effects import attribute_proposals
from promptrl.experiment.provenance import describe_run
from promptrl.experiment.randomness import own_randomness
from promptrl.experiment.report import write_report
from promptrl.experiment.session import RunSession, open_session, status_kept
from promptrl.llm.engine.budget import Budget
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import CONFIG_NAME, DIVISION_NAME, Run
from promptrl.runs.result import JudgedFold, PairedComparison, best_prompt, build_result, leaderboard_rows
from promptrl.runs.row_reuse import record_use
from promptrl.runs.runs_folder import RunsFolder
from promptrl.runs.trained import TrainedRun
from promptrl.search import observation
from promptrl.search.context import CAN_NOT_GROW
from promptrl.search.growth import Grow
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits
from promptrl.trackers.csv_file import CsvTracker
from promptrl.trackers.registry import TRACKERS

ROUNDING = 1e-6
STOP_NAME = "STOP"
"""A file of this name in the folder of a running run ends it as Ctrl-C does."""


def train(
    components: Components,
    *,
    runs_dir: Path | None = None,
    engines: Engines | None = None,
    observers: Sequence[Observer] = (),
    grow: Grow | None = None,
) -> TrainedRun:
    """Train and keep everything in a new run folder.

    Args:
        components: Built from the config.
        runs_dir: Where the run folder goes; None = ``output.runs_dir`` of the config.
        engines: Where the target is opened, and who may end the run; None = for this run alone.
        observers: Called with every event.
        grow: Says what the space gains while it is searched; None = it stays as the config has it.

    Raises:
        ConfigError: The space is to grow, and the algorithm can't take that; there is no run folder.
        PromptrlError: The run could not be finished; its folder says so, and holds what was paid for.
    """
    config = components.config
    _refuse_growth(components, grow)
    folder = RunsFolder(runs_dir or Path(config.output.runs_dir))
    budget = make_budget(components)
    with given_or_new(engines) as opened:
        models = opened.open(components, budget, folder.path)
        run = folder.create(config.name)
        with run.locked(), status_kept(run, budget), opened.stop.by_file(run.path / STOP_NAME):
            run.start(describe_run(components), components.loaded.text, components.loaded.resolved_yaml())
            run.write_json(DIVISION_NAME, components.division)
            return _carry_out(components, run, models, budget, observers, grow)


def resume(
    run: Run,
    *,
    engines: Engines | None = None,
    observers: Sequence[Observer] = (),
    given: Given = NOTHING,
    grow: Grow | None = None,
) -> TrainedRun:
    """Carry an unfinished run to its end: it takes the same course again, and what it has answers for costs nothing.

    Args:
        run: The run.
        engines: As for ``train``.
        observers: Likewise.
        given: A target and metrics that a program handed over, as when the run began.
        grow: As for ``train``; what came before the interruption comes again without it.

    Raises:
        RunLockedError: The run is done, or another process works on it.
        RunFolderError: What is needed to go on is damaged.
        PromptrlError: As for ``train``.
    """
    if run.status == "done":
        raise RunLockedError(f"run {run.id} is done: there is nothing to resume")
    if not (run.path / CONFIG_NAME).is_file():
        raise RunLockedError(f"run {run.id} can't be resumed: it ended before its config was written down")
    with run.locked(), given_or_new(engines) as opened:
        info = run.known_info()
        _refuse_others(run.id, info, given)
        components = rebuild_components(run, given)
        if components.data_hash != info.get("data_hash"):
            raise RunLockedError(
                f"run {run.id} can't be resumed: {told_of(components.changes)} "
                "(bring its rows back, or train anew: answers that are in the cache are not paid for twice)"
            )
        _refuse_other_observations(run.id, info, components)
        _refuse_growth(components, grow)
        budget = make_budget(components, elapsed_s=run.elapsed_s)
        models = opened.open(components, budget, run.path.parent)
        with status_kept(run, budget), opened.stop.by_file(run.path / STOP_NAME):
            run.update(status="running", error=None)
            return _carry_out(components, run, models, budget, observers, grow)


def _refuse_growth(components: Components, grow: Grow | None) -> None:
    block = components.config.algorithm
    if grow is not None and components.config.edits.proposed:
        message = "can't stand beside a `grow` function: both say what the space gains"
        raise ConfigError([Problem("edits.rewrite", message, "use one of them")])
    if grow is not None and not block.algorithm.takes_growth(block.definition):
        raise ConfigError([CAN_NOT_GROW])


def _refuse_other_observations(run_id: str, info: Mapping[str, Any], components: Components) -> None:
    """An agent that sees prompts in another way asks for others: it would pay for a second search.

    Raises:
        RunLockedError: The run was begun by a promptrl whose agents observe in another format.
    """
    is_agent = components.config.algorithm.algorithm.is_agent
    if is_agent and info.get("observation") != observation.FORMAT:
        begun = f"it was begun by promptrl {info.get('versions', {}).get('promptrl', 'of an earlier version')}"
        way_on = "resume it with that version, or train again: what the cache has kept is not paid for twice"
        reason = f"{begun}, whose agents observe prompts in another way"
        raise RunLockedError(f"run {run_id} can't be resumed: {reason} ({way_on})")


def _refuse_others(run_id: str, info: Mapping[str, Any], given: Given) -> None:
    """Answers of two models, or scores of two metrics, would be told as those of one.

    Raises:
        ConfigError: What a program hands over is not what the run began with.
    """
    began: Mapping[str, str] | None = info.get("given")
    if began is None:  # begun by an earlier version
        return
    hint = "give what it began with, or train again"
    problems = [
        Problem(key, f"got {found}, but run {run_id} began with {began.get(key, 'none of a program')}", hint)
        for key, found in given.identities.items()  # what is not given at all is told where it would be opened
        if found != began.get(key)
    ]
    if problems:
        raise ConfigError(problems)


def _carry_out(
    components: Components,
    run: Run,
    models: Models,
    budget: Budget,
    observers: Sequence[Observer],
    grow: Grow | None,
) -> TrainedRun:
    """Search, prove, write it all down, with all watching."""
    trackers = [CsvTracker(), *(TRACKERS[name].open() for name in components.config.trackers)]
    settings = components.config.model_dump(mode="json", by_alias=True)
    with own_randomness(), watched(observers, trackers, settings) as observe:
        observe(run_started(run, components))
        result = _work(components, run, models, budget, observe, grow)
        observe(RunFinished(run.id, str(run.path), result))
    return TrainedRun(run, result)


def _work(
    components: Components, run: Run, models: Models, budget: Budget, observe: Observer, grow: Grow | None
) -> dict[str, Any]:
    """Search, prove, write it all down, result.json last."""
    began_s = time.monotonic()
    with open_session(components, run, models, budget, observe, grow) as session:
        budget.reserve_share("test", components.plan.test)
        for name, calls in components.plan.beside.items():
            budget.reserve_share(name, calls)
        check_judges(session)
        tested, judged = _judge_folds(session) if components.folds else (None, [])
        found = find_winner(session.of_fold(components.splits), earlier_winners(judged))
        tested = _prove(session, found.winner, tested)
    result = _write_down(session, found, tested, judged, began_s)
    result["engine"] = asdict(models.target.stats)
    _report(run, result, components)
    run.finish(result)
    return result


def _judge_folds(session: RunSession) -> tuple[PairedComparison, list[JudgedFold]]:
    """Find a winner for each fold on the folds before it, with an equal share of the calls, and judge it there."""

    def find(fold: Splits, earlier: Sequence[Prompt]) -> Prompt:
        of_fold = session.of_fold(fold)
        session.budget.reserve_share("search", of_fold.components.plan.search)
        found = find_winner(of_fold, earlier)
        session.budget.release_share("search")
        return found.winner

    def paid(prompts: Iterable[Prompt], fold: Splits, later: Sequence[Splits]) -> Sequence[Example]:
        return _paid_rows(session, prompts, fold, later, later_searches=len(later) + 1)

    components = session.components
    baseline = components.space.baseline
    return validate_progressively(components.folds, find, session.evaluator, baseline, components.gate, paid)


def _prove(session: RunSession, winner: Prompt, by_folds: PairedComparison | None) -> PairedComparison | None:
    """Compare the winner with the baseline on test rows, unless folds have judged or both are the same prompt."""
    components, run = session.components, session.run
    baseline, rows, tested = components.space.baseline, components.splits.test, by_folds
    is_same = winner.prompt_id == baseline.prompt_id
    if by_folds or not is_same:
        run.update(look=record_use(run.path.parent, rows, run.identity))
    if not by_folds and not is_same:
        prompts = {"baseline": baseline, "winner": winner}
        paid = _paid_rows(session, prompts.values(), components.splits)
        tested = compare_prompts(
            session.evaluator, prompts, paid, "test", components.gate, rows_per_look(session.config)
        )
        tested = replace(tested, unpaid_rows=len(rows) - len(paid))
    session.progress.calls_made("test")
    return tested


def _paid_rows(
    session: RunSession,
    prompts: Iterable[Prompt],
    splits: Splits,
    later: Sequence[Splits] = (),
    *,
    later_searches: int = 0,
) -> Sequence[Example]:
    """Test rows that tokens and dollars pay for, by what both prompts' answers cost in the finals.

    That is settled before the test has an answer, and rows are in random order: so what it shows holds as always.
    Searches that come later keep the least that they need, and later folds have as large a part of their rows as this
    one: calls for more are given back.
    """
    components = session.components
    pairs = zip(*(session.outcomes_of(prompt, splits.validation) for prompt in prompts), strict=False)
    answers = [(outcome.completion, *outcome.judged) for pair in pairs for outcome in pair]
    least = later_searches * (MIN_SEARCH_CALLS + MIN_FINALIST_CALLS)
    known = session.evaluator.kept_answers()
    payable = min(session.budget.payable_like(answers, known, least), session.budget.calls_left("test"))
    of_row = 2 * components.gate.repeats
    later_rows = sum(len(fold.test) for fold in later)
    part = len(splits.test) / (len(splits.test) + later_rows)
    paid = first_inputs(splits.test, payable / of_row * part + ROUNDING)
    if len(paid) < len(splits.test):
        session.budget.release_share("test")
        kept = len(paid) + math.ceil(later_rows * len(paid) / len(splits.test))
        session.budget.reserve_share("test", of_row * kept)
    return paid


def _write_down(
    session: RunSession, found: Found, tested: PairedComparison | None, judged: Sequence[JudgedFold], began_s: float
) -> dict[str, Any]:
    """Write everything but the report and result.json; give back what result.json will hold."""
    components, run, space = session.components, session.run, found.search.space
    prompts = {"baseline": space.baseline, "winner": found.winner}
    search, outcomes = found.search, session.evaluator.outcomes
    since_growth = None if search.grown_at is None else search.calls_used - search.grown_at
    attribution = attribute(
        run, space, outcomes, found.finals.winner, found.pruning, search.decisions, since_growth=since_growth
    )
    if session.proposer is not None:
        attribution |= attribute_proposals(session.proposer.file.records, search, found.winner)
    result = build_result(
        run_id=run.id,
        experiment=session.config.name,
        stop_reason=found.search.stop_reason,
        prompts=prompts,
        validated={name: session.outcomes_of(p, components.splits.validation) for name, p in prompts.items()},
        tested=tested,
        judged=judged,
        inputs=inputs_of((*components.splits.validation, *components.splits.test)),
        gate=components.gate,
        spent=session.budget.spent,
        wall_s=time.monotonic() - began_s,
        seed=session.config.seed,
        attribution=attribution,
        faults=count_faults(outcomes),
        doubts=find_doubts(outcomes, make_grading(components)),
    )
    run.write_json("attribution.json", attribution)
    run.write_json("leaderboard.json", leaderboard_rows(found.finals.leaderboard))
    best = best_prompt(result)
    run.write_text("best_prompt.txt", best["text"] + "\n")
    run.write_json("best_prompt.json", best["messages"])
    return result


def _report(run: Run, result: Mapping[str, Any], components: Components) -> None:
    """Write the report; a fault in it must not lose a run that was paid for, so run.json says what it was."""
    try:
        write_report(run, result, components)
    except PromptrlError:
        raise
    except Exception as error:
        run.update(report_error=f"{type(error).__name__}: {error}")
