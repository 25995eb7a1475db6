"""Builds the components of an experiment from its config; finds what is wrong with them before a call is paid for.

Only files are read here; no model is loaded (``engines.py`` does that).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from promptrl.config import ExperimentConfig, GateConfig, LoadedConfig, load_config
from promptrl.config.loading import TARGET
from promptrl.config.metrics import QualityConfig
from promptrl.config.proposers import MAX_TOKENS
from promptrl.errors import ConfigError, Problem, suggest
from promptrl.evaluation.pairing import count_inputs
from promptrl.experiment.call_plan import CallPlan, plan_calls
from promptrl.experiment.data import divide, load_data, user_message
from promptrl.experiment.division import Division, RowChanges, described, restored
from promptrl.experiment.given import NOTHING, Given
from promptrl.experiment.needs import unmet_needs
from promptrl.llm.engine.prices import Price
from promptrl.prompts.bank import has_bank
from promptrl.prompts.building import build_edit_space
from promptrl.prompts.prompt import Demonstration, Prompt
from promptrl.prompts.space import EditSpace
from promptrl.runs.folder import CONFIG_NAME, Run
from promptrl.stats.gate import Gate
from promptrl.stats.power import SplitPower, split_power
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics import Metric, MetricDefinition, build_metric
from promptrl.tasks.metrics.base import NameRow, named_by_id
from promptrl.tasks.metrics.judge import JudgeMetric
from promptrl.tasks.metrics.python import PythonMetric
from promptrl.tasks.metrics.registry import Places
from promptrl.tasks.metrics.trusted import TrustedMetric
from promptrl.tasks.objective import Objective
from promptrl.tasks.splits import NAMES, Splits, division_hash

_UNREAD = Demonstration("", "", "")
"""Stands for the demonstrations of data that can't be read, so that the prompt is checked all the same."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Components:
    """What a run is made of, short of the model itself: the config, and what was built from it.

    ``folds`` are what it is proven on, one after the other, when no test rows are set apart (the test rows of
    ``splits`` are then theirs together, and the winner has seen them); ``code_folder`` is where the user's modules are;
    ``warnings`` are what may be meant but looks odd; ``division`` is what the run folder keeps of the division, and
    ``changes`` what became of the rows of an earlier run since; None for a new one, and where that is not known.
    ``name_row`` says where a row stands in its file.
    """

    loaded: LoadedConfig
    space: EditSpace
    splits: Splits
    metrics: tuple[Metric, ...]
    objective: Objective
    price: Price | None
    plan: CallPlan
    power: SplitPower
    gate: Gate
    data_hash: str
    code_folder: Path
    folds: tuple[Splits, ...] = ()
    given: Given = NOTHING
    warnings: tuple[Problem, ...] = ()
    division: Division = field(default_factory=dict)
    changes: RowChanges | None = None
    name_row: NameRow = named_by_id

    @property
    def config(self) -> ExperimentConfig:
        """The values of the config."""
        return self.loaded.config

    @property
    def calls_per_answer(self) -> int:
        """Calls that an answer of the target takes, with the questions that metrics ask about it."""
        return 1 + sum(metric.calls_per_answer for metric in self.metrics)

    @property
    def rows(self) -> tuple[Example, ...]:
        """All rows of the run, those of solved examples among them."""
        return _all_rows(self.splits)

    @property
    def proposer_params(self) -> Mapping[str, Any]:
        """Sampling parameters for whoever proposes edits; the run's own target may say more there than in answers."""
        model = self.loaded.models.get("edits.rewrite.proposer")
        if model is not None:
            return model.request_params
        own = self.loaded.target.request_params
        limit = "max_completion_tokens" if "max_completion_tokens" in own else "max_tokens"
        return {**own, limit: max(MAX_TOKENS, own.get(limit) or 0)}

    def proposer_calls(self, search: int) -> int:
        """Calls of the proposer in a search, by its number: an equal share of those of the run."""
        rewrite, searches = self.config.edits.proposed, len(self.folds) + 1
        rounds = rewrite.rounds if rewrite else 0
        return rounds * (search + 1) // searches - rounds * search // searches

    @property
    def inputs(self) -> dict[str, int]:
        """How many different inputs each split has."""
        return {name: count_inputs(getattr(self.splits, name)) for name in NAMES}

    def of_fold(self, fold: Splits) -> Self:
        """The same for the search that a fold judges: its rows, and its share of the calls."""
        searches = len(self.folds) + 1
        plan = self.plan
        return replace(
            self,
            splits=fold,
            plan=CallPlan(plan.search // searches, plan.validation // searches, plan.test, plan.pruning // searches),
        )


def rebuild_components(run: Run, given: Given = NOTHING) -> Components:
    """The components of an earlier run, built anew from its config; its rows are divided as they were.

    Raises:
        ConfigError: The config no longer fits, or the data is gone.
    """
    loaded = load_config(run.path / CONFIG_NAME, drops_unread=True)
    origin = run.info.get("config")
    code_folder = Path(origin).parent if origin else None
    return build_components(loaded, code_folder=code_folder, given=given, division=run.division)


def baseline_of(loaded: LoadedConfig) -> Prompt:
    """The prompt that a config begins with; no data is read.

    Raises:
        ConfigError: The prompt or its edits are wrong.
    """
    return _edit_space(loaded, None).baseline


def build_components(
    loaded: LoadedConfig, code_folder: Path | None = None, given: Given = NOTHING, division: Division | None = None
) -> Components:
    """Read the data and build every part that needs no model.

    Args:
        loaded: The config.
        code_folder: Where the user's own modules are looked for first; None = beside the config.
        given: A target and metrics that a program handed over; the config names them.
        division: How a run has divided the rows; None, and where a split has none of them any more: as the config says.

    Raises:
        ConfigError: Everything found wrong, each with file and line.
    """
    problems = [*unmet_needs(loaded), *_several_messages(loaded.config)]

    def attempt(build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    price = attempt(lambda: _price(loaded))
    objective = attempt(lambda: _objective(loaded))
    problems += _no_bank(loaded.config)
    data = load_data(loaded)
    problems += data.problems
    known = restored(division, data.rows) if division and data.is_sound else None
    divisions, changes = known or (None, None)
    if changes is not None:
        problems += changes.problems
    elif data.is_sound or data.is_divisible:
        divisions = attempt(lambda: divide(loaded, data.examples))
    splits = divisions[-1] if divisions else None
    space = attempt(lambda: _edit_space(loaded, splits))
    rows = data.rows if splits is None else _all_rows(splits)
    metrics = attempt(lambda: _metrics(loaded, rows, given, data.place)) if rows else None
    plan = attempt(lambda: _plan(loaded.config, divisions, space, metrics or ())) if divisions else None
    told = located(loaded, sorted(problems, key=lambda problem: problem.is_warning))
    is_sound = all(problem.is_warning for problem in told)
    if not is_sound or not (divisions and splits and objective and space and metrics is not None and plan):
        raise ConfigError(told)
    gate = _gate(loaded.config.gate)
    return Components(
        loaded=loaded,
        space=space,
        splits=splits,
        metrics=metrics,
        objective=objective,
        price=price,
        plan=plan,
        power=_power(gate, divisions),
        gate=gate,
        data_hash=division_hash(divisions),
        code_folder=code_folder or loaded.folder,
        folds=divisions[:-1],
        given=given,
        warnings=tuple(told),
        division=described(divisions, len(data.rows)),
        changes=changes,
        name_row=data.name_row,
    )


def _several_messages(config: ExperimentConfig) -> Iterator[Problem]:
    """What makes several messages of a text that is the prompt: none can then be exported as one text."""
    added = {
        "prompt.demonstrations.max: 0": config.prompt.demonstrations.max > 0,
        "edits.bank: none": config.user_turns is None and _has_bank(config),
        "edits.tokens: null": config.user_turns is None and bool(config.edits.tokens),
        "edits.rewrite: null": config.user_turns is None and config.edits.proposed is not None,
    }
    keys = [key for key, adds in added.items() if adds]
    if config.prompt.text is not None and keys:
        message = "is one message, and the search may add others before it: such a winner can't be exported as text"
        hint = f"write {' and '.join(keys)} to get one text back, or export it as json or config"
        yield Problem("prompt.text", message, hint, is_warning=True)


def _has_bank(config: ExperimentConfig) -> bool:
    """Whether the bank is to be used, and speaks the prompt's language or is wanted all the same."""
    return config.edits.bank == "builtin" or (config.edits.bank == "auto" and has_bank(_said(config)))


def _said(config: ExperimentConfig) -> list[str]:
    """All that the prompt says or may say, in the user's words."""
    prompt = config.prompt
    texts = [text for options in (prompt.slots or {}).values() for text in options]
    return [*texts, *([prompt.text] if prompt.text else []), *(turn.content for turn in config.user_turns or ())]


def _no_bank(config: ExperimentConfig) -> Iterator[Problem]:
    """That the prompt's language has no built-in options."""
    if config.edits.bank == "auto" and not has_bank(_said(config)):
        message = "there are no built-in options in the language of this prompt, so none are tried"
        hint = "give options of your own under prompt.slots; edits.bank: builtin tries the English ones"
        yield Problem("edits.bank", message, f"{hint}, none ends this warning", is_warning=True)


def _all_rows(splits: Splits) -> tuple[Example, ...]:
    return (*splits.demonstrations, *splits.train, *splits.validation, *splits.test)


def _plan(
    config: ExperimentConfig, divisions: Sequence[Splits], space: EditSpace | None, metrics: Sequence[Metric]
) -> CallPlan:
    """The calls of each stage; ``space`` is None where it is wrong itself."""
    splits = divisions[-1]
    return plan_calls(
        config.budget.max_calls,
        len(splits.validation),
        len(splits.test) * config.gate.repeats,
        len(divisions),
        most_edits=len({edit.slot for edit in space.edits}) if space else 0,
        beside={"proposer": 0, "judge": sum(metric.calls_per_answer for metric in metrics)},
        before={
            "proposer": config.edits.proposed.rounds if config.edits.proposed else 0,
            "judge": sum(m.calls_of_check(splits.train) for m in metrics if isinstance(m, JudgeMetric)),
        },
    )


def _power(gate: Gate, divisions: Sequence[Splits]) -> SplitPower:
    return split_power(
        count_inputs(divisions[-1].test),
        gate.confidence,
        min_improvement=gate.min_improvement,
        margin=gate.margin,
        is_sequential=gate.is_sequential or len(divisions) > 1,
    )


def located(loaded: LoadedConfig, problems: Iterable[Problem]) -> list[Problem]:
    """Give file and line to the problems that came without."""
    return [
        p if p.file else replace(loaded.problem(p.key, p.message, p.hint), is_warning=p.is_warning) for p in problems
    ]


def _edit_space(loaded: LoadedConfig, splits: Splits | None) -> EditSpace:
    config = loaded.config
    user = user_message(loaded)
    candidates = [_UNREAD]
    if splits is not None:
        candidates = [
            Demonstration(example.id, "", accepted_answers(example.reference)[0], example.fields).shown_by(user)
            for example in splits.demonstrations
        ]
    return build_edit_space(
        slots=config.prompt.slots,
        text=config.prompt.text_template or config.prompt.text,
        user=None if config.user_turns is None else user,
        separator=config.prompt.separator,
        demonstrations=candidates if config.prompt.demonstrations.max else (),
        max_demonstrations=config.prompt.demonstrations.max,
        bank=_has_bank(config),
        phrases=config.edits.phrases,
        reorder=config.edits.reorder,
        keep=config.edits.keep,
        tokens=config.edits.tokens,
        rewording=config.edits.proposed is not None,
    )


def _metrics(loaded: LoadedConfig, rows: tuple[Example, ...], given: Given, place: Places) -> tuple[Metric, ...]:
    """The scores of the config; costs are part of the objective."""
    names = [metric.name for metric in loaded.config.reward.metrics]
    problems = [
        Problem(f"metrics.{name}", "is given, but the run has no metric of this name", suggest(name, names))
        for name in given.metrics
        if name not in names
    ]
    metrics: list[Metric] = []
    for position, metric in enumerate(loaded.config.reward.metrics):
        if not isinstance(metric, QualityConfig):
            continue
        if metric.name in given.metrics:
            metrics.append(_limited(given.metrics[metric.name], metric.definition))
            continue
        try:
            built = build_metric(metric.definition, name=metric.name, examples=rows, place=place)
            if isinstance(built, JudgeMetric):
                built.anchors(rows)
            metrics.append(built)
        except ConfigError as error:
            prefix = f"reward.metrics.{position}"
            problems += [replace(p, key=f"{prefix}.{p.key}" if p.key else prefix) for p in error.problems]
    if problems:
        raise ConfigError(problems)
    return tuple(metrics)


def _limited(metric: TrustedMetric, definition: MetricDefinition) -> TrustedMetric:
    """A given metric with the time that its entry in the config names."""
    return replace(metric, timeout_s=definition.timeout_s) if isinstance(definition, PythonMetric) else metric


def _objective(loaded: LoadedConfig) -> Objective:
    reward = loaded.config.reward
    qualities = reward.qualities
    return Objective(
        combine=reward.combine,
        weights={metric.name: metric.weight for metric in qualities},
        costs=tuple((cost.type, cost.weight, cost.per) for cost in reward.costs),
        gate_metric=loaded.config.gate_metric,
    )


def _gate(gate: GateConfig) -> Gate:
    return Gate(
        confidence=gate.confidence,
        min_improvement=gate.min_improvement,
        margin=gate.margin,
        repeats=gate.repeats,
        is_sequential=gate.sequential,
    )


def _price(loaded: LoadedConfig) -> Price | None:
    """The target's price; a model of one's own costs nothing that we know of.

    Raises:
        ConfigError: Dollars are limited but the price of a model is unknown.
    """
    prices = {key: model.known_price for key, model in loaded.models.items()}
    message = "is missing and the price is not publicly known, but budget.max_usd needs it"
    hint = "give input_per_million and output_per_million"
    unknown = [Problem(f"{key}.price", message, hint) for key, price in prices.items() if price is None]
    if unknown and loaded.config.budget.max_usd is not None:
        raise ConfigError(unknown)
    return prices[TARGET]
