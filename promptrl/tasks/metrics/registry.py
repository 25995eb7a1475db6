"""The types of metrics by their name in YAML."""

from collections.abc import Mapping, Sequence
from typing import Any

from promptrl.errors import ConfigError, Problem, suggest
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import Metric, Rule, RuleMetric
from promptrl.tasks.metrics.numeric import NumericMatch
from promptrl.tasks.metrics.python import PythonRule
from promptrl.tasks.metrics.structured import JsonFields, JsonSchema, JsonValid
from promptrl.tasks.metrics.text import F1, Choice, Contains, DistinctN, ExactMatch, Regex

METRICS: Mapping[str, type[Rule]] = {
    "exact_match": ExactMatch,
    "choice": Choice,
    "contains": Contains,
    "regex": Regex,
    "numeric_match": NumericMatch,
    "f1": F1,
    "json_valid": JsonValid,
    "json_schema": JsonSchema,
    "json_fields": JsonFields,
    "distinct_n": DistinctN,
    "python": PythonRule,
}


def build_metric(type: str, *, name: str, params: Mapping[str, Any], examples: Sequence[Example]) -> Metric:  # noqa: A002
    """Make a metric and check that every reference of the data can be scored against.

    Args:
        type: A key of ``METRICS``.
        name: As the config calls it.
        params: The metric's parameters by their YAML names; types as the config has checked them.
        examples: All rows of the run.

    Raises:
        ConfigError: The type is unknown, a parameter is wrong, or a reference does not fit. Keys are relative to the
            metric: "type", a parameter, or "" for the metric as a whole.
    """
    if type not in METRICS:
        raise ConfigError([Problem("type", f"there is no metric {type!r}", suggest(type, METRICS))])
    rule_type = METRICS[type]
    own = {key: value for key, value in params.items() if not (key == "after" and rule_type.takes_after)}
    references = tuple(example.reference for example in examples)
    if rule_type.needs_reference and any(reference is None for reference in references):
        raise ConfigError(
            [Problem("", f"{type} compares with a reference, but there is none", "say dataset.reference")]
        )
    try:
        rule = rule_type.build(own, references)
    except TypeError as error:
        raise ConfigError([Problem("", f"{type} does not take these parameters: {', '.join(own)}")]) from error
    refusals = [refusal for reference in references if (refusal := rule.refusal(reference))]
    if refusals:
        more = f" (and {len(refusals) - 1} rows more)" if len(refusals) > 1 else ""
        raise ConfigError([Problem("", f"{type} can't score against dataset.reference: {refusals[0]}{more}")])
    return RuleMetric(name, rule, params.get("after") if rule_type.takes_after else None)
