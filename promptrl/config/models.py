"""The blocks of a config and the config as a whole."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from promptrl.config.blocks import Block, Count, Expect, Issue, Number, PathText, Switch, Text, Whole, show
from promptrl.config.metrics import MetricBlock, MetricConfig, QualityConfig, RegexConfig
from promptrl.config.targets import TargetConfig
from promptrl.config.templates import IDENTIFIER, malformed_placeholders, placeholders
from promptrl.errors import nearest, suggest

EXPERIMENT_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
SLOT_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
MAX_WORDS = 500
RESERVED_SLOTS = ("demonstrations", "user")

Option = Annotated[str, Expect("text")]
Options = Annotated[tuple[Option, ...], Field(min_length=1), Expect("a list of texts, the first of them the baseline")]
SlotName = Annotated[
    str, Field(pattern=SLOT_NAME), Expect("a slot name of at most 64 letters, digits, _ and -, a letter first")
]


def _no_bool(value: Any) -> Any:
    """Refuse ``true`` where Python would take it for 1."""
    if isinstance(value, bool):
        raise ValueError("a truth value")
    return value


class DemonstrationsConfig(Block):
    """Solved examples shown to the model."""

    max: Whole = Field(default=0, ge=0, le=64, description="Most demonstrations in a prompt; 0: none.")
    candidates: Whole | None = Field(
        default=None, ge=1, le=1000, description="Train rows set aside to choose from, never scored; null: 4 x `max`."
    )

    @property
    def set_aside(self) -> int:
        """Train rows to set aside: none when no demonstration may be shown."""
        if self.max == 0:
            return 0
        return 4 * self.max if self.candidates is None else self.candidates

    def issues(self) -> Iterator[Issue]:
        """There must be enough candidates."""
        if self.candidates is not None and self.max > self.candidates:
            yield Issue(("max",), f"got {self.max}, expected at most `candidates` ({self.candidates})")


class TurnConfig(Block):
    """One message of a user template of several."""

    role: Literal["user", "assistant"] = Field(description="Who says it; the last message is the user's.")
    content: Text = Field(description="The message, with {column} placeholders.")


def _one_turn(value: Any) -> Any:
    """Take text for the one message of the user."""
    return [{"role": "user", "content": value}] if isinstance(value, str) and value else value


def _as_written(turns: tuple[TurnConfig, ...]) -> str | list[dict[str, str]]:
    return turns[0].content if len(turns) == 1 else [turn.model_dump() for turn in turns]


Turns = Annotated[
    tuple[TurnConfig, ...],
    Field(min_length=1),
    BeforeValidator(_one_turn),
    PlainSerializer(_as_written, when_used="json"),
    Expect("text, or a list of messages with role and content", takes_text=True),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "role": {"enum": ["user", "assistant"]},
                            "content": {"type": "string", "minLength": 1},
                        },
                        "required": ["role", "content"],
                        "additionalProperties": False,
                    },
                },
            ]
        }
    ),
]


class PromptConfig(Block):
    """The prompt to improve and what may vary in it."""

    slots: (
        Annotated[dict[SlotName, Options], Field(min_length=1), Expect("a mapping of slot names to lists of texts")]
        | None
    ) = Field(
        default=None,
        description="Parts of the system message, in order: name to options. The first option is the baseline; "
        '"" leaves the slot out.',
    )
    text: Text | None = Field(
        default=None,
        description="Instead of `slots`: today's prompt, or the path of a .txt or .md file that holds it. "
        "With a placeholder it is the whole user message, else the system message.",
    )
    user: Turns | None = Field(
        default=None,
        description="User message with {column} placeholders ({{ and }} escape); null: the input column alone. "
        "Or a conversation that ends with it: a list of messages.",
    )
    separator: str = Field(default=" ", description="What stands between two slots.")
    demonstrations: DemonstrationsConfig = Field(
        default=DemonstrationsConfig(), description="Solved examples shown to the model."
    )

    def issues(self) -> Iterator[Issue]:
        """Check slots, templates, and that there is one prompt."""
        if self.slots is not None and self.text is not None:
            yield Issue(("text",), "can't stand beside `slots`", "keep one of the two")
        if self.slots is None and self.text is None:
            yield Issue(("slots",), "is missing, and so is `text`", "give one of the two")
        for name, options in (self.slots or {}).items():
            if name in RESERVED_SLOTS:
                yield Issue(("slots", name), "is not free as a slot name", f"prompt.{name} has a meaning of its own")
            for position, option in enumerate(options):
                if option in options[:position]:
                    first = options.index(option)
                    yield Issue(("slots", name, str(position)), f"is the same text as option {first} of this slot")
        if self.text is not None and placeholders(self.text):
            yield from _template_issues("text", self.text)
            if self.user is not None:
                yield Issue(("user",), "can't be given: `text` has a placeholder and is the whole user message")
        elif self.user is not None:
            yield from self._turn_issues(self.user)

    def user_turns(self, input_column: str | None) -> tuple[TurnConfig, ...] | None:
        """The template of the user message and what comes before it; None when `text` is the whole of it.

        Args:
            input_column: ``dataset.input``, which stands in for a missing template.
        """
        if self.text is not None and placeholders(self.text):
            return None
        return self.user or (TurnConfig(role="user", content=f"{{{input_column}}}"),)

    @staticmethod
    def _turn_issues(turns: tuple[TurnConfig, ...]) -> Iterator[Issue]:
        for position, turn in enumerate(turns):
            key = "user" if len(turns) == 1 else f"user.{position}.content"
            yield from _template_issues(key, turn.content)
        if turns[-1].role != "user":
            path = ("user", str(len(turns) - 1), "role")
            yield Issue(path, "got assistant, expected user: the last message is what the model answers")
        if not any(placeholders(turn.content) for turn in turns):
            yield Issue(("user",), "has no {column} placeholder: every example would get the same message")


class EditsConfig(Block):
    """Edits beyond the options and demonstrations of the prompt."""

    bank: Literal["builtin", "none"] = Field(
        default="builtin", description="Built-in options for slots the prompt lacks."
    )
    phrases: Switch = Field(default=True, description="The sentences of a `text` prompt may be dropped.")
    reorder: Switch = Field(default=False, description="The sentences of a `text` prompt may be moved.")
    tokens: Annotated[
        tuple[Text, ...] | None,
        Expect("a list of words, or the path of a file with one word a line"),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}, "maxItems": MAX_WORDS},
                    {"type": "string"},
                    {"type": "null"},
                ]
            }
        ),
    ] = Field(
        default=None,
        description=f"Words that may be inserted, at most {MAX_WORDS}: a list, or the path of a file with one a line.",
    )
    rewrite: Annotated[None, Expect("null", later=("mapping",))] = Field(
        default=None, description="Rewrites proposed by a model: not in this version."
    )

    def issues(self) -> Iterator[Issue]:
        """Words must differ, and be few enough to search among."""
        if len(self.tokens or ()) > MAX_WORDS:
            hint = "keep those that may matter: each word is an edit that must be tried"
            yield Issue(("tokens",), f"got {len(self.tokens or ()):,} words, expected at most {MAX_WORDS}", hint)
            return
        for position, word in enumerate(self.tokens or ()):
            if word in (self.tokens or ())[:position]:
                yield Issue(("tokens", str(position)), f"the word {show(word)} is there twice")


class FilesConfig(Block):
    """One file per split."""

    train: PathText = Field(description="File of the train rows.")
    validation: PathText = Field(description="File of the validation rows.")
    test: PathText = Field(description="File of the test rows.")


class SplitsConfig(Block):
    """How one file is divided, as shares of the rows."""

    train: Number = Field(default=0.5, gt=0, lt=1, description="Share of the rows for rewards.")
    validation: Number = Field(default=0.25, gt=0, lt=1, description="Share of the rows to choose the winner.")
    test: Number = Field(default=0.25, gt=0, lt=1, description="Share of the rows for the final verdict.")

    def issues(self) -> Iterator[Issue]:
        """The shares can't be more than the whole."""
        total = self.train + self.validation + self.test
        if total > 1 + 1e-9:
            yield Issue((), f"the shares add up to {total:g}, expected at most 1")


class DatasetConfig(Block):
    """The examples: inputs with known good answers."""

    path: PathText | None = Field(default=None, description="Data file, `builtin:NAME`, or `hf:NAME[:CONFIG][:SPLIT]`.")
    files: FilesConfig | None = Field(default=None, description="Instead of `path`: one file per split.")
    format: Literal["jsonl", "json", "csv", "tsv", "yaml"] | None = Field(
        default=None, description="Format of the files; null: by the ending of the name."
    )
    input: Text | None = Field(
        default=None, description="Column of the input; null: the columns the user template names."
    )
    reference: Text | None = Field(default=None, description="Column of the known good answer, if there is one.")
    columns: dict[Annotated[str, Field(pattern=IDENTIFIER), Expect("a placeholder's name")], Text] = Field(
        default_factory=dict, description="Placeholder to column, where the two names differ."
    )
    splits: SplitsConfig = Field(default=SplitsConfig(), description="How the rows of `path` are divided.")
    stratify: Switch = Field(
        default=True, description="Each label has the same share in all splits, when there are few."
    )
    split_seed: Whole = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Seed of the division: apart from `seed`, so that runs with other seeds have the same test rows.",
    )
    folds: Count | None = Field(
        default=None,
        ge=2,
        le=20,
        description="For less than about 100 rows: instead of setting test rows apart, judge each fold but the first "
        "by a search on the folds before it, then search on all rows; as many searches share the calls.",
    )
    limit: Count | None = Field(
        default=None, description="Use at most this many rows, drawn by `split_seed`; null: all."
    )

    def issues(self) -> Iterator[Issue]:
        """There must be one source of rows."""
        if self.path is not None and self.files is not None:
            yield Issue(("files",), "can't stand beside `path`", "keep one of the two")
        if self.path is None and self.files is None:
            yield Issue(("path",), "is missing, and so is `files`", "give one of the two")
        if self.files is not None and "splits" in self.model_fields_set:
            yield Issue(("splits",), "can't stand beside `files`: each file is a split")
        if self.files is not None and self.folds is not None:
            yield Issue(("folds",), "can't stand beside `files`: folds are made of the rows of `path`")
        for key, path in (("path", self.path), *((f"files.{k}", v) for k, v in _file_items(self.files))):
            if path is not None and path.startswith(("http://", "https://")):
                yield Issue(tuple(key.split(".")), "is an address, expected a path", "download the file first")


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

    def issues(self) -> Iterator[Issue]:
        """Names must differ, and something must count."""
        names: list[str] = []
        for position, metric in enumerate(self.metrics):
            if metric.name in names:
                hint = "give one of them another `name`"
                yield Issue(("metrics", str(position), "name"), f"{show(metric.name)} is there twice", hint)
            names.append(metric.name)
        if not any(metric.weight > 0 for metric in self.qualities):
            yield Issue(("metrics",), "no score has a positive weight", "costs alone can't say what is better")


class AlgorithmConfig(Block):
    """The agent that searches."""

    name: Literal[
        "ppo",
        "maskable_ppo",
        "a2c",
        "dqn",
        "qrdqn",
        "random",
        "greedy",
        "evolution",
        "halving",
        "direct",
        "thompson",
        "tpe",
    ] = Field(
        default="maskable_ppo",
        description="Algorithm of Stable-Baselines3 or sb3-contrib, or a baseline that needs no agent, for comparison: "
        "`random` search, `greedy` hill climbing, `evolution`, sequential `halving`, `direct` "
        "(a policy gradient whose action is a whole prompt), `thompson` (posterior sampling with local search), "
        "`tpe` of Optuna (extra `tpe`). "
        "Of the keys below a baseline reads `rows_per_prompt` only.",
    )
    planning: Literal["surrogate", "none"] = Field(
        default="surrogate",
        description="`surrogate`: the agent edits in a learned model and the target is asked only for what it comes up "
        "with; `none`: every step is scored by the target.",
    )
    imagined_steps: Whole = Field(
        default=128,
        ge=0,
        le=1_000_000,
        description="Steps in the learned model that the agent learns from before each batch of calls; "
        "0: it only acts.",
    )
    policy: Literal["deepsets", "transformer"] = Field(default="deepsets", description="Network that scores the edits.")
    rows_per_prompt: Count = Field(
        default=1, le=10_000, description="Train rows that a prompt is asked on when it comes up."
    )
    max_edits: Count | None = Field(
        default=None,
        le=1000,
        description="Edits in an episode at most; null: one more than there are slots that edits change; "
        "all demonstrations together are one slot, and so are the words of `edits.tokens`.",
    )
    n_envs: Count | None = Field(
        default=None, le=1024, description="Parallel episodes; null: 16 in the learned model, 8 on the target."
    )
    params: Annotated[dict[str, Any], Expect("a mapping of hyperparameters")] = Field(
        default_factory=dict, description="Hyperparameters by the names of Stable-Baselines3."
    )


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

    path: PathText | None = Field(default=None, description="SQLite file; null: .cache.sqlite in output.runs_dir.")
    mode: Literal["deterministic", "all", "off"] = Field(
        default="deterministic", description="Keep the answers given at temperature 0, all, or none."
    )
    max_mb: Count = Field(default=1000, description="Size in megabytes above which the answers unused for longest go.")


class OutputConfig(Block):
    """Where results go."""

    runs_dir: PathText = Field(default="runs", description="Folder of the runs, relative to the working directory.")


class ExperimentConfig(Block):
    """Everything that defines an experiment."""

    version: Annotated[Literal[1], BeforeValidator(_no_bool)] = Field(default=1, description="Version of this format.")
    name: Annotated[
        str,
        Field(pattern=EXPERIMENT_NAME),
        Expect("a name of at most 64 lower-case letters, digits, _ and -, a letter or digit first"),
    ] = Field(description="Name of the experiment; its runs are NAME-0001, NAME-0002, ...")
    target: TargetConfig = Field(description="The model that runs the prompt.")
    prompt: PromptConfig = Field(description="The prompt to improve and what may vary in it.")
    edits: EditsConfig = Field(
        default=EditsConfig(), description="Edits beyond the options and demonstrations of the prompt."
    )
    dataset: DatasetConfig = Field(description="The examples: inputs with known good answers.")
    reward: RewardConfig = Field(description="What is to be improved.")
    algorithm: AlgorithmConfig = Field(default=AlgorithmConfig(), description="The agent that searches.")
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
    trackers: tuple[Literal["tensorboard"], ...] = Field(
        default=(), description="Where progress is logged besides the run."
    )

    @property
    def gate_metric(self) -> str:
        """Name of the metric that score, gate and verdict speak of."""
        return self.gate.metric or next(metric.name for metric in self.reward.qualities if metric.weight > 0)

    @property
    def user_turns(self) -> tuple[TurnConfig, ...] | None:
        """The template of the user message and what comes before it; None when ``prompt.text`` is the whole of it."""
        return self.prompt.user_turns(self.dataset.input)

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
        yield from _gate_issues(reward.metrics, gate)
    if dataset and gate and dataset.folds is not None and gate.sequential:
        yield Issue(("gate", "sequential"), "can't stand beside dataset.folds: folds are judged one after the other")
    if reward and dataset and dataset.reference is None:
        for metric in reward.qualities:
            if metric.needs_reference or (isinstance(metric, RegexConfig) and metric.group):
                message = f"is missing, but the metric {show(metric.name)} compares with it"
                yield Issue(("dataset", "reference"), message, "name the column of the known good answers")
                break


def _input_issues(prompt: PromptConfig, dataset: DatasetConfig) -> Iterator[Issue]:
    if prompt.user is not None or (prompt.text is not None and placeholders(prompt.text)):
        return
    if dataset.input is None:
        hint = "name the column with the input, or write prompt.user"
        yield Issue(("dataset", "input"), "is missing, and no user message says what the model is asked", hint)
    elif not placeholders(f"{{{dataset.input}}}"):
        hint = 'write prompt.user: "{input}" and dataset.columns: {input: ...}'
        yield Issue(("dataset", "input"), f"{show(dataset.input)} can't be a placeholder", hint)


def _column_issues(prompt: PromptConfig, dataset: DatasetConfig) -> Iterator[Issue]:
    turns = prompt.user_turns(dataset.input)
    texts = [prompt.text or ""] if turns is None else [turn.content for turn in turns]
    names = [name for text in texts for name in placeholders(text)]
    for name in dataset.columns:
        if name not in names:
            message = "names no placeholder of the user message"
            yield Issue(("dataset", "columns", name), message, suggest(name, names))


def _gate_issues(metrics: Sequence[MetricBlock], gate: GateConfig) -> Iterator[Issue]:
    names = [metric.name for metric in metrics if isinstance(metric, QualityConfig)]
    if gate.metric is not None and gate.metric not in names:
        near = nearest(gate.metric, names)
        expected = f"expected one of the scores: {', '.join(names)}" if names else "and there is no score at all"
        hint = f"did you mean {near}" if near else ""
        yield Issue(("gate", "metric"), f"got {show(gate.metric)}, {expected}", hint)


def _template_issues(key: str, template: str) -> Iterator[Issue]:
    for found in malformed_placeholders(template):
        hint = "{column} is replaced; write {{ and }} for braces that stay"
        yield Issue(tuple(key.split(".")), f"{show(found)} is not a placeholder", hint)


def _file_items(files: FilesConfig | None) -> Iterator[tuple[str, str]]:
    for key in FilesConfig.model_fields if files else ():
        yield key, getattr(files, key)
