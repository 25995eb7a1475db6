"""promptrl: make a prompt measurably better by reinforcement learning, with proof.

What a program needs is exported here; it is imported when it is first used, so that ``import promptrl`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptrl.version import __version__

if TYPE_CHECKING:
    from promptrl.api import evaluate, load_config, resume, train
    from promptrl.errors import (
        BudgetExhaustedError,
        ConfigError,
        Problem,
        PromptrlError,
        RunFolderError,
        RunLockedError,
        RunNotFoundError,
        StopRequestedError,
        TargetError,
        UsageError,
    )
    from promptrl.evaluation.outcome import Outcome
    from promptrl.experiment.events import Event
    from promptrl.llm.base import Completion, Message, Target, TransientError
    from promptrl.prompts.prompt import Prompt
    from promptrl.runs.trained import Evaluation, Improvement, ScoredPrompt, SplitScore, TrainedRun
    from promptrl.search.growth import Growth, GrowthRequest
    from promptrl.tasks.dataset import Example
    from promptrl.tasks.metrics.base import Metric, MetricContext, Question, Score, Scorer

__all__ = [
    "BudgetExhaustedError",
    "Completion",
    "ConfigError",
    "Evaluation",
    "Event",
    "Example",
    "Growth",
    "GrowthRequest",
    "Improvement",
    "Message",
    "Metric",
    "MetricContext",
    "Outcome",
    "Problem",
    "Prompt",
    "PromptrlError",
    "Question",
    "RunFolderError",
    "RunLockedError",
    "RunNotFoundError",
    "Score",
    "ScoredPrompt",
    "Scorer",
    "SplitScore",
    "StopRequestedError",
    "Target",
    "TargetError",
    "TrainedRun",
    "TransientError",
    "UsageError",
    "__version__",
    "evaluate",
    "load_config",
    "resume",
    "train",
]

_HOMES = {
    "promptrl.api": ("evaluate", "load_config", "resume", "train"),
    "promptrl.evaluation.outcome": ("Outcome",),
    "promptrl.experiment.events": ("Event",),
    "promptrl.llm.base": ("Completion", "Message", "Target", "TransientError"),
    "promptrl.prompts.prompt": ("Prompt",),
    "promptrl.runs.trained": ("Evaluation", "Improvement", "ScoredPrompt", "SplitScore", "TrainedRun"),
    "promptrl.search.growth": ("Growth", "GrowthRequest"),
    "promptrl.tasks.dataset": ("Example",),
    "promptrl.tasks.metrics.base": ("Metric", "MetricContext", "Question", "Score", "Scorer"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for; the errors are all in one module."""
    if name not in __all__:
        raise AttributeError(f"module 'promptrl' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF.get(name, "promptrl.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
