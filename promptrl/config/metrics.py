"""The entries of ``reward.metrics``: scores in [0, 1], and costs, each made from its definition."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, create_model

from promptrl.config.blocks import Block, Expect, Number
from promptrl.config.definitions import DefinedBlock, define_block
from promptrl.config.targets import CHOSEN
from promptrl.settings import NAME, settings_of
from promptrl.tasks.costs import COSTS, CostDefinition
from promptrl.tasks.metrics import METRICS, MetricDefinition

MetricName = Annotated[
    str,
    Field(pattern=NAME),
    Expect("a name of at most 64 letters, digits, _ and -, a letter first"),
]


class MetricBlock(Block):
    """What scores and costs share."""

    type: str
    name: str
    weight: float


class QualityConfig(DefinedBlock, MetricBlock):
    """A score in [0, 1] per example."""

    weight: Number = Field(default=1.0, ge=0, description="Share in the objective; 0 records the metric only.")

    @property
    def definition(self) -> MetricDefinition:
        """The type of metric with the settings of this block."""
        definition: MetricDefinition = super().definition
        return definition


class CostConfig(MetricBlock):
    """A cost: part of the objective only, never of the score."""

    weight: Number = Field(lt=0, description="What one unit of cost takes from the objective: below 0.")
    per: Number = Field(gt=0)


def _quality_block(kind: str, definition: type[MetricDefinition]) -> type[QualityConfig]:
    return define_block(
        definition,
        QualityConfig,
        CHOSEN,
        type=(Literal[kind], Field(description=definition.summary)),
        name=(MetricName, Field(default=kind, description="Name in reports and in gate.metric.")),
    )


def _cost_block(kind: str, cost: CostDefinition) -> type[CostConfig]:
    fields: dict[str, Any] = {
        "type": (Literal[kind], Field(description=cost.summary)),
        "name": (MetricName, Field(default=kind, description="Name in reports.")),
        "per": (Number, Field(default=cost.per, gt=0, description=f"{cost.unit} in one unit of cost.")),
    }
    return create_model(f"{kind.title().replace('_', '')}Config", __base__=CostConfig, __doc__=cost.about, **fields)


QUALITIES = {kind: _quality_block(kind, definition) for kind, definition in METRICS.items()}
_BLOCKS = (*QUALITIES.values(), *(_cost_block(kind, cost) for kind, cost in COSTS.items()))

if TYPE_CHECKING:
    MetricConfig = MetricBlock
else:
    MetricConfig = Annotated[
        Union[_BLOCKS],  # noqa: UP007 - built from a tuple
        Field(discriminator="type"),
    ]


def json_file_settings(kind: Any) -> list[str]:
    """The settings of a type of metric that may be given as the path of a JSON file; none for what is no type."""
    definition = METRICS.get(kind) if isinstance(kind, str) else None
    return [name for name, setting in settings_of(definition).items() if setting.is_json_file] if definition else []
