"""Scores of completions in [0, 1]: one rule per type of metric."""

from promptrl.tasks.metrics.base import Metric, Score
from promptrl.tasks.metrics.python import import_functions
from promptrl.tasks.metrics.registry import METRICS, build_metric

__all__ = ["METRICS", "Metric", "Score", "build_metric", "import_functions"]
