"""Scores of completions in [0, 1]: one definition per type of metric."""

from promptrl.tasks.metrics.base import Metric, MetricDefinition, Score
from promptrl.tasks.metrics.registry import METRICS, build_metric

__all__ = ["METRICS", "Metric", "MetricDefinition", "Score", "build_metric"]
