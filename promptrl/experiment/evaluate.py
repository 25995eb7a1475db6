"""The story of ``promptrl eval``: a winner, or a prompt from a file, beside the baseline on the rows of one split."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from promptrl.errors import RunLockedError, RunNotFoundError, UsageError
from promptrl.evaluation.doubts import find_doubts
from promptrl.evaluation.evaluator import OutcomeLog
from promptrl.evaluation.outcome import AnswerKey, Outcome
from promptrl.evaluation.pairing import inputs_of
from promptrl.experiment.build import Components, rebuild_components
from promptrl.experiment.division import told_of
from promptrl.experiment.engines import Engines, given_or_new, make_budget, make_evaluator, make_grading, rows_per_look
from promptrl.experiment.given import NOTHING, Given
from promptrl.experiment.proof_stage import compare_prompts
from promptrl.llm.base import Completion, Purpose
from promptrl.prompts.files import prompt_from_messages, prompt_from_text, template_messages
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import Run
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.runs.result import decide_verdict, describe_prompt, measured, spending, summarise
from promptrl.runs.row_reuse import record_use

SplitName = Literal["train", "validation", "test"]


def evaluate_run(
    run: Run, split: SplitName, *, engines: Engines | None = None, given: Given = NOTHING
) -> dict[str, Any]:
    """Score a finished run's winner beside its baseline on one split; kept under ``evals/<n>`` of the run.

    Raises:
        RunLockedError: The run is not done, or rows of the split have changed or are divided otherwise: rows that it
            trained on might count as test.
        RunNotFoundError: Its folder has lost the winner.
        UsageError: There are no test rows, for the run was proven fold by fold.
    """
    result = run.result
    if result is None:
        raise RunLockedError(f"run {run.id} is {run.status}: it has no winner to evaluate yet")
    info, components = run.known_info(), rebuild_components(run, given)
    changes = components.changes
    if components.data_hash != info.get("data_hash") if changes is None else split in changes.altered:
        raise RunLockedError(
            f"run {run.id} can't be evaluated on its {split} rows: {told_of(components.changes)} "
            "(export the prompt and evaluate the file with --config)"
        )
    _refuse_seen_rows(components, split)
    prompts = _compared_prompts(run, result, components.space.baseline)
    place = run.new_evaluation()
    with closing(OutcomeFile(run.path / place, partial(components.space.describe, components.space.baseline))) as log:
        evaluation = _evaluate(components, prompts, split, run.path.parent, log, engines)
    look = _count_look(components, prompts, split, run.path.parent, f"{run.identity} {place}")
    told = changes.told if changes else ""
    evaluation |= {"run_id": run.id, "subject": run.id, "look": look, "data_changes": told or None}
    run.write_json(f"{place}/result.json", evaluation)
    return evaluation


def evaluate_prompt_file(
    components: Components, file: Path, split: SplitName, *, runs_dir: Path | None, engines: Engines | None = None
) -> dict[str, Any]:
    """Score the prompt in a file beside the config's baseline on one split; only the cache and the look are written.

    Args:
        components: Built from the config.
        file: The prompt.
        split: The rows.
        runs_dir: Where the cache is; None = ``output.runs_dir`` of the config.
        engines: Where the target is opened; None = for this evaluation alone.

    Raises:
        UsageError: The file holds no prompt for these data, or no test rows are set apart.
    """
    _refuse_seen_rows(components, split)
    prompt = read_prompt(file, components.space.baseline, components.config.prompt.literal)
    if not prompt.user.placeholders:
        raise UsageError(f"{file}: the user message has no placeholder, so every row would be asked the same")
    for name in prompt.user.placeholders:
        if name not in components.splits.train[0].fields:
            raise UsageError(f"{file}: {{{name}}} is no placeholder of the config's user message")
    baseline = components.space.baseline
    is_baseline = template_messages(prompt) == template_messages(baseline)  # the file knows nothing of slots
    prompts = {"baseline": baseline, "winner": baseline if is_baseline else prompt}
    folder = runs_dir or Path(components.config.output.runs_dir)
    evaluation = _evaluate(components, prompts, split, folder, _NoLog(), engines)
    look = _count_look(components, prompts, split, folder, f"{file} {datetime.now(UTC).isoformat()}")
    return evaluation | {"run_id": None, "subject": str(file), "look": look, "data_changes": None}


def _count_look(
    components: Components, prompts: Mapping[str, Prompt], split: SplitName, runs_dir: Path, subject: str
) -> int | None:
    """Write down that test rows have judged a prompt; None for other rows, and where that is the baseline itself."""
    if split != "test" or prompts["winner"].prompt_id == prompts["baseline"].prompt_id:
        return None
    return record_use(runs_dir, components.splits.test, subject)


def _refuse_seen_rows(components: Components, split: SplitName) -> None:
    """With folds every row has been searched on in the end: none could judge a prompt that came of it."""
    if components.folds and split == "test":
        message = "dataset.folds sets no test rows apart: the proof of the run stands in its result"
        raise UsageError(f"{message}; new rows need a config of their own")


def _compared_prompts(run: Run, result: Mapping[str, Any], baseline: Prompt) -> dict[str, Prompt]:
    """Baseline and winner of a run; the baseline comes from the config if it was never asked."""
    known = {baseline.prompt_id: baseline} | run.prompts()
    prompts = {"baseline": known.get(result["baseline"]["prompt_id"], baseline)}
    winner_id = result["winner"]["prompt_id"]
    if winner_id not in known:
        raise RunNotFoundError(f"run {run.id} has lost its winner: prompt {winner_id} is not in its prompts.jsonl")
    return prompts | {"winner": known[winner_id]}


def _evaluate(
    components: Components,
    prompts: Mapping[str, Prompt],
    split: SplitName,
    runs_dir: Path,
    log: OutcomeLog,
    engines: Engines | None,
) -> dict[str, Any]:
    config = components.config
    rows = getattr(components.splits, split)
    inputs = inputs_of(rows)
    answers = 2 * len(rows) * components.gate.repeats
    budget = make_budget(components, max_calls=answers * components.calls_per_answer)
    with given_or_new(engines) as opened:
        models = opened.open(components, budget, runs_dir)
        evaluator = make_evaluator(components, models, budget, log)
        purpose: Purpose = "search" if split == "train" else split
        paired = compare_prompts(evaluator, prompts, rows, purpose, components.gate, rows_per_look(config))
        doubts = find_doubts(evaluator.outcomes, make_grading(components))
    is_same = prompts["winner"].prompt_id == prompts["baseline"].prompt_id
    return {
        "format": 1,
        "split": split,
        "metric": config.gate_metric,
        "verdict": decide_verdict(paired.comparison, components.gate, is_same_prompt=is_same, doubts=doubts),
        **{
            label: {
                **describe_prompt(prompt),
                split: summarise(paired.outcomes[label], components.gate, config.seed, inputs),
            }
            for label, prompt in prompts.items()
        },
        "difference": measured(paired, components.gate),
        "doubts": [asdict(doubt) for doubt in doubts],
        **spending(budget.spent),
    }


def read_prompt(file: Path, baseline: Prompt, literal: Collection[str] = ()) -> Prompt:
    """Read a prompt file: ``.json`` holds chat messages with an open user template, anything else text.

    Args:
        file: The file.
        baseline: What asks where the file does not.
        literal: Names in braces that are no placeholders of a plain text.

    Raises:
        UsageError: The file can't be read as a prompt.
    """
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is neither a run nor a readable prompt file") from error
    try:
        if file.suffix == ".json":
            return prompt_from_messages(text, baseline.user)
        is_from_windows = text.count("\n") == text.count("\r\n")
        text = text.replace("\r\n", "\n") if is_from_windows else text
        return prompt_from_text(text.removesuffix("\n"), baseline.user, literal)
    except ValueError as error:
        raise UsageError(f"{file} holds no prompt: {error}") from error


class _NoLog:
    """Keeps nothing: an evaluation's answers are in the cache."""

    def keep(self, key: AnswerKey, completion: Completion) -> None:
        """Forget."""

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Forget."""
