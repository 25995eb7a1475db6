"""The entries of ``reward.metrics``: scores in [0, 1], and costs."""

import re
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from promptrl.config.blocks import Block, Count, Expect, Function, Issue, Number, Switch, Text, Whole

LATER_METRICS = ("judge", "similarity", "rouge_l", "bleu")

MetricName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
    Expect("a name of at most 64 letters, digits, _ and -, a letter first"),
]
After = Annotated[Text | None, Field(description="Only the text after its last occurrence counts; null: all of it.")]


class MetricBlock(Block):
    """What scores and costs share."""

    type: str
    name: str
    weight: float

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of this metric alone, by their YAML names."""
        return self.model_dump(by_alias=True, exclude={"type", "name", "weight"})


class QualityConfig(MetricBlock):
    """A score in [0, 1] per example."""

    needs_reference: ClassVar[bool] = False

    weight: Number = Field(default=1.0, ge=0, description="Share in the objective; 0 records the metric only.")


class ExactMatchConfig(QualityConfig):
    """The completion is the reference."""

    needs_reference: ClassVar[bool] = True

    type: Literal["exact_match"] = Field(description="1 when the completion is the reference.")
    name: MetricName = Field(default="exact_match", description="Name in reports and in gate.metric.")
    after: After = None
    ignore_case: Switch = Field(default=True, description="Upper and lower case are the same.")
    ignore_punctuation: Switch = Field(default=True, description="Punctuation does not count.")


class ChoiceConfig(QualityConfig):
    """The completion names the right label and no other."""

    needs_reference: ClassVar[bool] = True

    type: Literal["choice"] = Field(description="1 when the completion names the right label and no other.")
    name: MetricName = Field(default="choice", description="Name in reports and in gate.metric.")
    choices: tuple[Text, ...] | None = Field(
        default=None, min_length=2, description="The labels; null takes those that occur in the data."
    )
    after: After = None
    ignore_case: Switch = Field(default=True, description="Upper and lower case are the same.")

    def issues(self) -> Iterator[Issue]:
        """Labels must differ."""
        seen: set[str] = set()
        for position, label in enumerate(self.choices or ()):
            folded = label.strip().casefold() if self.ignore_case else label.strip()
            if folded in seen:
                yield Issue(("choices", str(position)), f'the label "{label}" is there twice')
            seen.add(folded)


class ContainsConfig(QualityConfig):
    """The reference occurs in the completion."""

    needs_reference: ClassVar[bool] = True

    type: Literal["contains"] = Field(description="1 when the reference occurs in the completion.")
    name: MetricName = Field(default="contains", description="Name in reports and in gate.metric.")
    after: After = None
    ignore_case: Switch = Field(default=True, description="Upper and lower case are the same.")


class RegexConfig(QualityConfig):
    """A pattern matches the completion."""

    type: Literal["regex"] = Field(description="1 when the pattern is found (and its group is the reference).")
    name: MetricName = Field(default="regex", description="Name in reports and in gate.metric.")
    pattern: Text = Field(description="A Python regular expression, searched in the completion.")
    group: Whole = Field(default=0, ge=0, description="Group to compare with the reference; 0: a match is enough.")
    ignore_case: Switch = Field(default=False, description="Upper and lower case are the same.")

    def issues(self) -> Iterator[Issue]:
        """The pattern must compile and have the group."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                groups = re.compile(self.pattern).groups
        except (re.error, RecursionError, OverflowError) as error:
            yield Issue(("pattern",), f"is not a regular expression: {error}")
            return
        if self.group > groups:
            yield Issue(("group",), f"got {self.group}, but the pattern has {groups} groups")


class NumericMatchConfig(QualityConfig):
    """The number in the completion is the reference."""

    needs_reference: ClassVar[bool] = True

    type: Literal["numeric_match"] = Field(description="1 when the number in the completion is the reference.")
    name: MetricName = Field(default="numeric_match", description="Name in reports and in gate.metric.")
    after: After = None
    position: Literal["last", "first", "only"] = Field(
        default="last", description="Which number of the completion counts."
    )
    tolerance: Number = Field(default=0.0, ge=0, description="Largest difference that still counts as right.")
    relative_tolerance: Number = Field(default=0.0, ge=0, description="Likewise, as a share of the reference.")


class F1Config(QualityConfig):
    """Overlap of words with the reference."""

    needs_reference: ClassVar[bool] = True

    type: Literal["f1"] = Field(description="Overlap of words with the reference (F1).")
    name: MetricName = Field(default="f1", description="Name in reports and in gate.metric.")
    after: After = None


class JsonValidConfig(QualityConfig):
    """The completion is JSON."""

    type: Literal["json_valid"] = Field(description="1 when the completion is JSON.")
    name: MetricName = Field(default="json_valid", description="Name in reports and in gate.metric.")


class JsonSchemaConfig(QualityConfig):
    """The completion is JSON that fits a schema."""

    type: Literal["json_schema"] = Field(description="1 when the completion is JSON that fits the schema.")
    name: MetricName = Field(default="json_schema", description="Name in reports and in gate.metric.")
    json_schema: Annotated[
        dict[str, Any],
        Expect("a JSON schema, or the path of a .json file that holds one"),
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
    ] = Field(alias="schema", description="The JSON schema, or the path of a file that holds it.")


class JsonFieldsConfig(QualityConfig):
    """Share of the fields of a JSON answer that are right."""

    needs_reference: ClassVar[bool] = True

    type: Literal["json_fields"] = Field(description="Share of the reference's fields that the JSON answer has right.")
    name: MetricName = Field(default="json_fields", description="Name in reports and in gate.metric.")
    fields: tuple[Text, ...] | None = Field(
        default=None, min_length=1, description="Fields that count; null: all those of the reference."
    )
    ignore_case: Switch = Field(default=True, description="Upper and lower case are the same.")
    extra: Literal["ignore", "penalize"] = Field(
        default="ignore", description="What to do with fields nobody asked for."
    )


class DistinctConfig(QualityConfig):
    """Variety of the completion's words."""

    type: Literal["distinct_n"] = Field(description="Share of the completion's word n-grams that are distinct.")
    name: MetricName = Field(default="distinct_n", description="Name in reports and in gate.metric.")
    n: Count = Field(default=2, le=10, description="Words in an n-gram.")


class PythonMetricConfig(QualityConfig):
    """A function of the user's."""

    type: Literal["python"] = Field(description="A Python function that gives a score; code that you trust.")
    name: MetricName = Field(default="python", description="Name in reports and in gate.metric.")
    function: Function = Field(description="The function as module:function.")


class CostConfig(MetricBlock):
    """A cost: part of the objective only, never of the score."""

    weight: Number = Field(lt=0, description="What one unit of cost takes from the objective: below 0.")


class PromptTokensConfig(CostConfig):
    """Length of the prompt."""

    type: Literal["prompt_tokens"] = Field(description="Cost of the prompt's length.")
    name: MetricName = Field(default="prompt_tokens", description="Name in reports.")
    per: Number = Field(default=100.0, gt=0, description="Prompt tokens in one unit of cost.")


class CompletionTokensConfig(CostConfig):
    """Length of the completion."""

    type: Literal["completion_tokens"] = Field(description="Cost of the completion's length.")
    name: MetricName = Field(default="completion_tokens", description="Name in reports.")
    per: Number = Field(default=100.0, gt=0, description="Completion tokens in one unit of cost.")


class LatencyConfig(CostConfig):
    """Time that an answer takes."""

    type: Literal["latency"] = Field(description="Cost of the time an answer takes.")
    name: MetricName = Field(default="latency", description="Name in reports.")
    per: Number = Field(default=1.0, gt=0, description="Seconds in one unit of cost.")


class UsdConfig(CostConfig):
    """Price of an answer."""

    type: Literal["usd"] = Field(description="Cost of an answer in money.")
    name: MetricName = Field(default="usd", description="Name in reports.")
    per: Number = Field(default=0.001, gt=0, description="US dollars in one unit of cost.")


MetricConfig = Annotated[
    ExactMatchConfig
    | ChoiceConfig
    | ContainsConfig
    | RegexConfig
    | NumericMatchConfig
    | F1Config
    | JsonValidConfig
    | JsonSchemaConfig
    | JsonFieldsConfig
    | DistinctConfig
    | PythonMetricConfig
    | PromptTokensConfig
    | CompletionTokensConfig
    | LatencyConfig
    | UsdConfig,
    Field(discriminator="type"),
    Expect(later=LATER_METRICS),
]
