"""Builds the parts of an experiment from its config, and finds everything wrong with them before a call is paid for.

Only files are read here; no model is loaded (``opening.py`` does that).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Self, TypeVar

from promptrl.analysis.power import SplitPower, split_power
from promptrl.analysis.pruning import LEAST_CALLS, MIN_CONFIRMING_ROWS, ROWS_WANTED
from promptrl.config import AlgorithmConfig, LoadedConfig, load_config
from promptrl.config.targets import OpenAITargetConfig, ReplayTargetConfig
from promptrl.errors import ConfigError, Problem
from promptrl.events import Stage
from promptrl.llm.base import Message
from promptrl.llm.engine.prices import Price, price_of
from promptrl.prompts.prompt import Demonstration, UserTemplate
from promptrl.prompts.space import EditSpace, build_edit_space
from promptrl.runs import Run
from promptrl.search.algorithms import BUILTIN_ALGORITHMS, check_params, is_baseline
from promptrl.selection.finalists import MAX_FINALISTS
from promptrl.tasks.dataset import Example, accepted_answers, build_examples, dataset_hash, load_rows
from promptrl.tasks.metrics import Metric, build_metric
from promptrl.tasks.objective import Objective
from promptrl.tasks.splits import Splits, fold_examples, split_examples

MIN_FINALIST_CALLS = 40
FINALIST_SHARE = 0.25
LEAVE_ONE_OUT_SHARE = 0.25
"""Part of the finalists' calls that may be kept back for taking the winner's edits out again."""
PRUNING_SHARE = 0.05
"""Part of the calls beside the test's that the search gives up for the same purpose."""
MIN_SEARCH_CALLS = 20

_UNREAD = Demonstration("", "", "")
"""Stands for the demonstrations of data that can't be read, so that the prompt is checked all the same."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How the call budget is shared out.

    Attributes:
        search: Calls for rewards on train rows, at most.
        validation: Calls for the finalists, and for leaving out the winner's edits.
        test: Calls for the one comparison on test rows; reserved first.
        pruning: Calls of ``validation`` that are the search's gift to leaving out edits; the finals don't get them.
    """

    search: int
    validation: int
    test: int
    pruning: int = 0

    @property
    def finals(self) -> int:
        """Calls of ``validation`` that the finalists may use at least."""
        theirs = self.validation - self.pruning
        return max(min(theirs, MIN_FINALIST_CALLS), theirs - int(LEAVE_ONE_OUT_SHARE * theirs))

    @property
    def total(self) -> int:
        """Calls of the whole run at most."""
        return sum(self.by_stage.values())

    @property
    def by_stage(self) -> dict[Stage, int]:
        """The shares, in the order in which they are spent."""
        return {"search": self.search, "validation": self.validation, "test": self.test}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of, short of the model itself.

    ``folds`` are what it is proven on, one after the other, when no test rows are set apart (the test rows of
    ``splits`` are then theirs together, and the winner has seen them); ``code_folder`` is where the user's modules are.
    """

    space: EditSpace
    splits: Splits
    metrics: tuple[Metric, ...]
    objective: Objective
    price: Price | None
    plan: CallPlan
    power: SplitPower
    data_hash: str
    code_folder: Path
    folds: tuple[Splits, ...] = ()

    def of_fold(self, fold: Splits) -> Self:
        """The same for the search that a fold judges: its rows, and its share of the calls."""
        searches = len(self.folds) + 1
        plan = self.plan
        return replace(
            self,
            splits=fold,
            plan=CallPlan(plan.search // searches, plan.validation // searches, plan.test, plan.pruning // searches),
        )


def rebuild_parts(run: Run) -> tuple[LoadedConfig, Parts]:
    """The config of an earlier run, and its parts built anew.

    Raises:
        ConfigError: The config no longer fits, or the data is gone.
    """
    loaded = load_config(run.path / "config.resolved.yaml")
    origin = run.info.get("config")
    return loaded, build_parts(loaded, code_folder=Path(origin).parent if origin else None)


def build_parts(loaded: LoadedConfig, code_folder: Path | None = None) -> Parts:
    """Read the data and build every part that needs no model.

    Args:
        loaded: The config.
        code_folder: Where the user's own modules are looked for first; None = beside the config.

    Raises:
        ConfigError: Everything found wrong, each with file and line.
    """
    config = loaded.config
    problems = [*check_params(config.algorithm.name, config.algorithm.params), *_lacking(loaded)]

    def attempt(build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    price = attempt(lambda: _price(loaded))
    objective = attempt(lambda: _objective(loaded))
    examples = attempt(lambda: _load_examples(loaded))
    divisions = attempt(lambda: _split(loaded, examples)) if examples else None
    splits = divisions[-1] if divisions else None
    space = attempt(lambda: _edit_space(loaded, splits))
    if divisions is None or splits is None:
        raise ConfigError(located(loaded, problems))
    rows = (*splits.demonstrations, *splits.train, *splits.validation, *splits.test)
    metrics = attempt(lambda: _metrics(loaded, rows))
    sizes = (len(splits.validation), len(splits.test) * config.gate.repeats, len(divisions))
    slots = {edit.slot for edit in space.edits} if space else set()
    plan = attempt(lambda: plan_calls(config.budget.max_calls, *sizes, most_edits=len(slots)))
    if problems or objective is None or space is None or metrics is None or plan is None:
        raise ConfigError(located(loaded, problems))
    gate = config.gate
    power = split_power(
        len(splits.test),
        gate.confidence,
        min_improvement=gate.min_improvement,
        margin=gate.margin,
        is_sequential=gate.sequential or len(divisions) > 1,
    )
    folder = code_folder or loaded.folder
    return Parts(space, splits, metrics, objective, price, plan, power, dataset_hash(rows), folder, divisions[:-1])


def plan_calls(
    max_calls: int, validation_rows: int, test_rows: int, searches: int = 1, *, most_edits: int = 0
) -> CallPlan:
    """Share out the calls: the test first, then the finalists and the pruning, the rest for the search.

    Args:
        max_calls: Of the whole run.
        validation_rows: Rows on which the finalists meet.
        test_rows: Rows on which the winner meets the baseline, each as often as it is asked.
        searches: How many searches and finals share the calls.
        most_edits: That a winner may hold, and pruning leave out; with 0 none of the search's calls go to that.

    Raises:
        ConfigError: Nothing would be left to search with.
    """
    test = 2 * test_rows
    rest = max_calls - test
    wanted = max(MIN_FINALIST_CALLS * searches, int(FINALIST_SHARE * rest))
    most = (MAX_FINALISTS + 1) * validation_rows * searches  # the baseline meets them too
    validation = min(wanted, most)
    search = rest - validation
    if search < MIN_SEARCH_CALLS * searches:
        least = test + min(MIN_FINALIST_CALLS * searches, most) + MIN_SEARCH_CALLS * searches
        message = f"got {max_calls}, but 2 × {test_rows} test rows and the finalists need their share first"
        raise ConfigError([Problem("budget.max_calls", message, f"at least {least}, or fewer test rows")])
    pruning = _pruning_calls(rest // searches, validation // searches, most_edits) * searches
    if search - pruning < MIN_SEARCH_CALLS * searches or validation_rows < MIN_CONFIRMING_ROWS:
        pruning = 0
    return CallPlan(search - pruning, validation + pruning, test, pruning)


def _pruning_calls(calls: int, of_finals: int, most_edits: int) -> int:
    """What one search gives up for pruning: no more than pruning can use, nothing if it is too little all the same."""
    kept_back = int(LEAVE_ONE_OUT_SHARE * of_finals)
    most = ROWS_WANTED * (most_edits + 1) - kept_back if most_edits > 1 else 0
    given = max(0, min(int(PRUNING_SHARE * calls), most))
    return given if kept_back + given >= LEAST_CALLS else 0


def located(loaded: LoadedConfig, problems: Iterable[Problem]) -> list[Problem]:
    """Give file and line to the problems that came without."""
    return [p if p.file else loaded.problem(p.key, p.message, p.hint) for p in problems]


def _lacking(loaded: LoadedConfig) -> Iterator[Problem]:
    """What the config needs besides data and is not there."""
    if "tensorboard" in loaded.config.trackers and find_spec("tensorboard") is None:
        yield Problem("trackers", "tensorboard is not installed", "pip install 'promptrl[tensorboard]'")
    if loaded.config.algorithm.name == "tpe" and find_spec("optuna") is None:
        yield Problem("algorithm.name", "tpe needs optuna, which is not installed", "pip install 'promptrl[tpe]'")
    if loaded.config.warm_start == "builtin" and not _takes_builtin(loaded.config.algorithm):
        fitting = f"planning: surrogate, policy: deepsets and one of {', '.join(BUILTIN_ALGORITHMS)}"
        yield Problem("warm_start", f"got builtin, a policy made for {fitting}", "write none, or change the algorithm")
    target = loaded.config.target
    if isinstance(target, ReplayTargetConfig) and not Path(loaded.resolve(target.path)).is_file():
        yield Problem("target.path", f"there is no file {loaded.resolve(target.path)}")


def _takes_builtin(algorithm: AlgorithmConfig) -> bool:
    """Whether the built-in policy fits the agent; a baseline has none and doesn't mind."""
    fits = algorithm.name in BUILTIN_ALGORITHMS and algorithm.policy == "deepsets" and algorithm.planning == "surrogate"
    return fits or is_baseline(algorithm.name)


def _user_message(loaded: LoadedConfig) -> UserTemplate:
    """The template of the user message, which may be the whole prompt."""
    turns = loaded.config.user_turns
    if turns is None:
        return UserTemplate(loaded.config.prompt.text or "")
    *earlier, last = turns
    return UserTemplate(last.content, tuple(Message(turn.role, turn.content) for turn in earlier))


def _load_examples(loaded: LoadedConfig) -> dict[str, list[Example]]:
    """The examples by split name; under "all" when one file holds them all."""
    data = loaded.config.dataset
    placeholders = _user_message(loaded).placeholders
    sources = {"all": (data.path, "dataset.path")}
    if data.files is not None:
        sources = {split: (path, f"dataset.files.{split}") for split, path in data.files.model_dump().items()}
    examples: dict[str, list[Example]] = {}
    problems: list[Problem] = []
    for split, (path, key) in sources.items():
        try:
            examples[split] = build_examples(
                load_rows(loaded.resolve(path or ""), format=data.format, key=key),
                input=data.input,
                reference=data.reference,
                columns=data.columns,
                placeholders=placeholders,
            )
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return examples


def _split(loaded: LoadedConfig, examples: dict[str, list[Example]]) -> tuple[Splits, ...]:
    """The one division; with folds, that of each fold which judges, and last that of the search on all rows."""
    config = loaded.config
    demonstrations = config.prompt.demonstrations
    data = config.dataset
    if data.folds is not None:
        return fold_examples(
            examples["all"],
            folds=data.folds,
            fractions=data.splits.model_dump(),
            seed=data.split_seed,
            demonstration_candidates=demonstrations.set_aside,
            stratify=data.stratify,
            limit=data.limit,
        )
    splits = split_examples(
        examples.get("all", examples),
        fractions=data.splits.model_dump(),
        seed=data.split_seed,
        demonstration_candidates=demonstrations.set_aside,
        stratify=data.stratify,
        limit=data.limit,
    )
    return (splits,)


def _edit_space(loaded: LoadedConfig, splits: Splits | None) -> EditSpace:
    config = loaded.config
    user = _user_message(loaded)
    candidates = [_UNREAD]
    if splits is not None:
        candidates = [
            Demonstration(example.id, "", accepted_answers(example.reference)[0], example.fields).shown_by(user)
            for example in splits.demonstrations
        ]
    return build_edit_space(
        slots=config.prompt.slots,
        text=config.prompt.text,
        user=None if config.user_turns is None else user,
        separator=config.prompt.separator,
        demonstrations=candidates if config.prompt.demonstrations.max else (),
        max_demonstrations=config.prompt.demonstrations.max,
        bank=config.edits.bank == "builtin",
        phrases=config.edits.phrases,
        reorder=config.edits.reorder,
        tokens=config.edits.tokens,
    )


def _metrics(loaded: LoadedConfig, rows: tuple[Example, ...]) -> tuple[Metric, ...]:
    """The scores of the config; costs are part of the objective."""
    problems: list[Problem] = []
    metrics: list[Metric] = []
    for position, metric in enumerate(loaded.config.reward.metrics):
        if metric not in loaded.config.reward.qualities:
            continue
        try:
            metrics.append(build_metric(metric.type, name=metric.name, params=metric.params, examples=rows))
        except ConfigError as error:
            prefix = f"reward.metrics.{position}"
            problems += [replace(p, key=f"{prefix}.{p.key}" if p.key else prefix) for p in error.problems]
    if problems:
        raise ConfigError(problems)
    return tuple(metrics)


def _objective(loaded: LoadedConfig) -> Objective:
    reward = loaded.config.reward
    qualities = reward.qualities
    return Objective(
        combine=reward.combine,
        weights={metric.name: metric.weight for metric in qualities},
        costs=tuple((m.type, m.weight, m.params["per"]) for m in reward.metrics if m not in qualities),
        gate_metric=loaded.config.gate_metric,
    )


def _price(loaded: LoadedConfig) -> Price | None:
    """The configured price, else the public one; a model of one's own costs nothing that we know of.

    Raises:
        ConfigError: Dollars are limited but the price is unknown.
    """
    target = loaded.config.target
    if target.price is not None:
        return Price(target.price.input_per_million, target.price.output_per_million)
    price = None
    if isinstance(target, OpenAITargetConfig):
        price = price_of(target.model, target.base_url or os.environ.get("OPENAI_BASE_URL"))
    if price is None and loaded.config.budget.max_usd is not None:
        message = "is missing and the price is not publicly known, but budget.max_usd needs it"
        raise ConfigError([Problem("target.price", message, "give input_per_million and output_per_million")])
    return price
