"""The types of metrics by their name in YAML."""

from collections.abc import Callable, Mapping, Sequence

from promptrl.errors import ConfigError, Problem
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import Metric, MetricDefinition
from promptrl.tasks.metrics.fluency import Fluency
from promptrl.tasks.metrics.judge import Judge
from promptrl.tasks.metrics.numeric import NumericMatch
from promptrl.tasks.metrics.overlap import Bleu, RougeL
from promptrl.tasks.metrics.python import PythonMetric
from promptrl.tasks.metrics.similarity import Similarity
from promptrl.tasks.metrics.structured import JsonFields, JsonSchema, JsonValid
from promptrl.tasks.metrics.text import F1, Choice, Contains, Distinct, ExactMatch, Regex

METRICS: Mapping[str, type[MetricDefinition]] = {
    "exact_match": ExactMatch,
    "choice": Choice,
    "contains": Contains,
    "regex": Regex,
    "numeric_match": NumericMatch,
    "f1": F1,
    "rouge_l": RougeL,
    "bleu": Bleu,
    "similarity": Similarity,
    "fluency": Fluency,
    "json_valid": JsonValid,
    "json_schema": JsonSchema,
    "json_fields": JsonFields,
    "distinct_n": Distinct,
    "judge": Judge,
    "python": PythonMetric,
}

MAX_EXAMPLES = 3
"""Of references that are refused for one reason."""


Places = Callable[[Sequence[Example]], str]
"""Where rows stand in their file, for a message: ``lines 3, 4 and 7``."""


def build_metric(
    definition: MetricDefinition, *, name: str, examples: Sequence[Example], place: Places = lambda rows: ""
) -> Metric:
    """Make a metric and check that every reference of the data can be scored against.

    Args:
        definition: What it is, with its settings.
        name: As the config calls it.
        examples: All rows of the run.
        place: Of rows; empty where that is not known.

    Raises:
        ConfigError: A setting is wrong, or a reference does not fit. Keys are relative to the metric: a setting, or ""
            for the metric as a whole.
    """
    if problems := tuple(definition.problems()):
        raise ConfigError(problems)
    kind = kind_of(definition)
    references = tuple(example.reference for example in examples)
    if definition.needs_reference and any(reference is None for reference in references):
        raise ConfigError(
            [Problem("", f"{kind} compares with a reference, but there is none", "say dataset.reference")]
        )
    fitted = definition.fitted(references)
    refused: dict[tuple[str, str], dict[int, str]] = {}
    for at, reference in enumerate(references):
        if (refusal := fitted.refusal(reference)) is not None:
            refused.setdefault((refusal.why, refusal.hint), {})[at] = refusal.found
    if refused:
        start = f"{kind} can't score against dataset.reference: "
        raise ConfigError(
            [
                Problem("", start + _told(why, list(found.values()), place([examples[at] for at in found])), hint)
                for (why, hint), found in refused.items()
            ]
        )
    return fitted.metric(name)


def _told(why: str, found: Sequence[str], places: str) -> str:
    """A reason with the first reference it holds for, how many more rows there are, some of them, and where."""
    first, *others = found
    examples = [other for other in dict.fromkeys(others) if other != first][:MAX_EXAMPLES]
    such_as = f", such as {', '.join(examples)}" if examples else ""
    more = f"and {len(others)} row{'s' if len(others) > 1 else ''} more{such_as}" if others else ""
    aside = "; ".join(filter(None, (more, places)))
    return f"{first} {why} ({aside})" if aside else f"{first} {why}"


def kind_of(definition: MetricDefinition) -> str:
    """The type's name in YAML; of one that is not registered the name of its class."""
    return next((kind for kind, known in METRICS.items() if known is type(definition)), type(definition).__name__)
