"""The config as a whole, and its blocks for reward, budget, gate, cache and output."""

from collections.abc import Iterator
from os.path import expanduser
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from promptrl.config.algorithms import AlgorithmConfig, default_algorithm
from promptrl.config.blocks import Block, Count, Expect, FilePath, Issue, Number, PathText, Switch, Whole
from promptrl.config.datasets import DatasetConfig
from promptrl.config.metrics import CostConfig, MetricConfig, QualityConfig
from promptrl.config.prompts import EditsConfig, PromptConfig, TurnConfig, issues_of
from promptrl.config.targets import TargetBlock, TargetConfig
from promptrl.errors import show, suggest
from promptrl.prompts.placeholders import placeholders
from promptrl.settings import EXPERIMENT_NAME
from promptrl.tasks.objective import gate_problems, weight_problems
from promptrl.trackers.registry import TRACKERS

if TYPE_CHECKING:
    TrackerName = str
else:
    TrackerName = Literal[tuple(TRACKERS)]


def _no_bool(value: Any) -> Any:
    """Refuse ``true`` where Python would take it for 1."""
    if isinstance(value, bool):
        raise ValueError("a truth value")
    return value


class RewardConfig(Block):
    """What is to be improved."""

    combine: Literal["weighted", "product"] = Field(
        default="weighted",
        description="`weighted`: weighted mean of the scores; `product`: for conflicting goals. Plus costs.",
    )
    metrics: tuple[MetricConfig, ...] = Field(min_length=1, description="Scores and costs.")

    @property
    def qualities(self) -> tuple[QualityConfig, ...]:
        """The metrics that are scores."""
        return tuple(metric for metric in self.metrics if isinstance(metric, QualityConfig))

    @property
    def costs(self) -> tuple[CostConfig, ...]:
        """Those that are costs."""
        return tuple(metric for metric in self.metrics if isinstance(metric, CostConfig))

    def issues(self) -> Iterator[Issue]:
        """Names must differ, and something must count."""
        names: list[str] = []
        for position, metric in enumerate(self.metrics):
            if metric.name in names:
                hint = "give one of them another `name`"
                yield Issue(("metrics", str(position), "name"), f"{show(metric.name)} is there twice", hint)
            names.append(metric.name)
        yield from issues_of(weight_problems(metric.weight for metric in self.qualities), "reward")


class BudgetConfig(Block):
    """What a run may cost at most."""

    max_calls: Count = Field(default=2000, description="Answers of the target that are used, cached or not.")
    max_usd: Number | None = Field(default=None, gt=0, description="US dollars that are paid; needs a known price.")
    max_tokens: Count | None = Field(default=None, description="Tokens in and out that are paid.")
    max_minutes: Number | None = Field(
        default=None,
        gt=0,
        description="Minutes after which nothing new starts; those before a `resume` count.",
    )


class GateConfig(Block):
    """When a winner counts as better."""

    against: Annotated[Literal["baseline"], Expect(later=("champion",))] = Field(
        default="baseline", description="What the winner is compared with on the test rows."
    )
    metric: str | None = Field(
        default=None, description="Metric that score and verdict speak of; null: the first with positive weight."
    )
    confidence: Number = Field(default=0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    min_improvement: Number = Field(
        default=0.0, ge=0, lt=1, description="The interval must lie above this to be `improved`."
    )
    margin: Number = Field(default=0.02, gt=0, lt=1, description="An interval inside plus and minus this is `same`.")
    repeats: Count = Field(
        default=1,
        le=100,
        description="Answers of each prompt to each test row; at a temperature above 0 their mean is less noisy. "
        "A row still counts once.",
    )
    sequential: Switch = Field(
        default=False,
        description="Look at the test rows as they come in and stop as soon as the answer is clear, or out of reach; "
        "a clear win costs fewer calls, a narrow one is found less often.",
    )


class CacheConfig(Block):
    """Answers kept between runs."""

    path: FilePath | None = Field(default=None, description="SQLite file; null: .cache.sqlite in output.runs_dir.")
    mode: Literal["deterministic", "all", "off"] = Field(
        default="deterministic", description="Keep the answers given at temperature 0, all, or none."
    )
    max_mb: Count = Field(default=1000, description="Size in megabytes above which the answers unused for longest go.")


class OutputConfig(Block):
    """Where results go."""

    runs_dir: Annotated[PathText, AfterValidator(expanduser)] = Field(
        default="runs", description="Folder of the runs, relative to the working directory."
    )


class ExperimentConfig(Block):
    """Everything that defines an experiment."""

    version: Annotated[Literal[1], BeforeValidator(_no_bool)] = Field(default=1, description="Version of this format.")
    name: Annotated[
        str,
        Field(pattern=f"^{EXPERIMENT_NAME}$"),
        Expect("a name of at most 64 lower-case letters, digits, _ and -, a letter or digit first"),
    ] = Field(description="Name of the experiment; its runs are NAME-0001, NAME-0002, ...")
    target: TargetConfig = Field(description="The model that runs the prompt.")
    prompt: PromptConfig = Field(description="The prompt to improve and what may vary in it.")
    edits: EditsConfig = Field(
        default=EditsConfig(), description="Edits beyond the options and demonstrations of the prompt."
    )
    dataset: DatasetConfig = Field(description="The examples: inputs with known good answers.")
    reward: RewardConfig = Field(description="What is to be improved.")
    algorithm: AlgorithmConfig = Field(default_factory=default_algorithm, description="The agent that searches.")
    budget: BudgetConfig = Field(default=BudgetConfig(), description="What a run may cost at most.")
    gate: GateConfig = Field(default=GateConfig(), description="When a winner counts as better.")
    warm_start: Annotated[Literal["builtin", "none"], Expect(later=("text",))] = Field(
        default="none",
        description="Where the policy starts: `none`: anew, following the learned model's draws; `builtin`: trained on "
        "made-up landscapes, for `planning: surrogate`, `policy: deepsets` and an actor-critic algorithm.",
    )
    cache: CacheConfig = Field(default=CacheConfig(), description="Answers kept between runs.")
    seed: Whole = Field(default=0, ge=0, le=2**32 - 1, description="Seed of everything that is drawn at random.")
    output: OutputConfig = Field(default=OutputConfig(), description="Where results go.")
    trackers: tuple[TrackerName, ...] = Field(default=(), description="Where progress is logged besides the run.")

    @property
    def gate_metric(self) -> str:
        """Name of the metric that score, gate and verdict speak of."""
        return self.gate.metric or next(metric.name for metric in self.reward.qualities if metric.weight > 0)

    @property
    def user_turns(self) -> tuple[TurnConfig, ...] | None:
        """The template of the user message and what comes before it; None when ``prompt.text`` is the whole of it."""
        return self.prompt.user_turns(self.dataset.input)

    def target_blocks(self) -> Iterator[tuple[str, TargetBlock]]:
        """Every block that declares a model, with its dotted key: the target's, those of metrics that ask others."""
        waiting: list[tuple[tuple[str, ...], Block]] = [((), self)]
        while waiting:
            keys, block = waiting.pop(0)
            if isinstance(block, TargetBlock):
                yield ".".join(keys), block
            waiting += [((*keys, *further), one) for further, one in block.below()]

    def issues(self) -> Iterator[Issue]:
        """Check the blocks against each other."""
        yield from cross_issues(self.prompt, self.dataset, self.reward, self.gate)


def cross_issues(
    prompt: PromptConfig | None, dataset: DatasetConfig | None, reward: RewardConfig | None, gate: GateConfig | None
) -> Iterator[Issue]:
    """Yield what is wrong between blocks; None is a block that is broken by itself."""
    if prompt and dataset:
        unasked = tuple(_input_issues(prompt, dataset))
        yield from unasked or _column_issues(prompt, dataset)
        if prompt.demonstrations.max and dataset.reference is None:
            message = "needs dataset.reference: a demonstration shows the known good answer"
            yield Issue(("prompt", "demonstrations", "max"), message)
    if reward and gate:
        problems = gate_problems(gate.metric, [metric.name for metric in reward.qualities])
        yield from (Issue(tuple(problem.key.split(".")), problem.message, problem.hint) for problem in problems)
    if dataset and gate and dataset.folds is not None and gate.sequential:
        yield Issue(("gate", "sequential"), "can't stand beside dataset.folds: folds are judged one after the other")
    if reward and dataset and dataset.reference is None:
        for metric in reward.qualities:
            if metric.definition.needs_reference:
                message = f"is missing, but the metric {show(metric.name)} compares with it"
                yield Issue(("dataset", "reference"), message, "name the column of the known good answers")
                break


def _input_issues(prompt: PromptConfig, dataset: DatasetConfig) -> Iterator[Issue]:
    if prompt.user is not None or prompt.text_template is not None:
        return
    if dataset.input is None:
        hint = "name the column with the input, or write prompt.user"
        yield Issue(("dataset", "input"), "is missing, and no user message says what the model is asked", hint)
    elif not placeholders(f"{{{dataset.input}}}"):
        hint = 'write prompt.user: "{input}" and dataset.columns: {input: ...}'
        yield Issue(("dataset", "input"), f"{show(dataset.input)} can't be a placeholder", hint)


def _column_issues(prompt: PromptConfig, dataset: DatasetConfig) -> Iterator[Issue]:
    turns = prompt.user_turns(dataset.input)
    texts = [prompt.text_template or ""] if turns is None else [turn.content for turn in turns]
    names = [name for text in texts for name in placeholders(text)]
    for name in dataset.columns:
        if name not in names:
            message = "names no placeholder of the user message"
            yield Issue(("dataset", "columns", name), message, suggest(name, names))
