"""Looks at what a run would do as a careful colleague would, without asking a model or running the user's code."""

import asyncio
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from promptrl.config.loading import TARGET
from promptrl.config.metrics import QualityConfig
from promptrl.errors import ConfigError, Problem
from promptrl.experiment.build import Components, located
from promptrl.experiment.engines import open_model
from promptrl.llm.base import Messages
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.cache import refuse_foreign
from promptrl.llm.targets.python import PythonTargetDefinition
from promptrl.prompts.edits.base import Edit
from promptrl.prompts.pins import pinned_pieces
from promptrl.tasks.data_checks import label_counts
from promptrl.tasks.dataset import Example, as_text
from promptrl.tasks.metrics.judge import Judge
from promptrl.tasks.metrics.known_answers import KnownAnswers, grade_known_answers, known_answer_problems
from promptrl.tasks.metrics.python import PythonMetric
from promptrl.tasks.metrics.structured import JsonFields, JsonSchema, JsonValid
from promptrl.tasks.metrics.text import ExactMatch, Regex

EXAMPLES = 3
_OF_THE_TEXT = ("drop_phrase", "move")
"""Kinds of edits that change what the user has written."""
_ASKS_FOR_JSON = re.compile(r'\{\s*"[^"\n]+"\s*:')
_LOOKS_AT_FORM = (ExactMatch, JsonFields, JsonSchema, JsonValid, Judge, PythonMetric, Regex)


@dataclass(frozen=True, slots=True)
class FilledExample:
    """A row as the model will see it.

    Attributes:
        messages: The baseline, filled in.
        reference: The known good answer; None without.
        scores: By metric, what the reference itself, an empty answer (``blank``) and another row's reference
            (``another``) score.
    """

    messages: Messages
    reference: str | None
    scores: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Preview:
    """What is worth a look before a run is paid for.

    Attributes:
        examples: The first train rows.
        edits: What may change, in words.
        kept: What ``edits.keep`` lets stay as it is.
        labels: How often each reference occurs, where they are few; else None.
        warnings: What looks odd.
    """

    examples: tuple[FilledExample, ...]
    edits: tuple[str, ...]
    kept: tuple[str, ...]
    labels: Mapping[str, int] | None
    warnings: tuple[Problem, ...]


def preview(components: Components) -> Preview:
    """Fill in the baseline, count labels, grade known answers, see whether target and cache could be had.

    Raises:
        ConfigError: ``cache.path`` names a file that is something else.
    """
    cache = components.config.cache
    if cache.path is not None and cache.mode != "off":
        with suppress(OSError):  # it may be within reach at night
            refuse_foreign(Path(components.loaded.resolve(cache.path)))
    splits = components.splits
    rows = (*splits.train, *splits.validation, *splits.test)
    known = {metric.name: grade_known_answers(metric, rows) for metric in components.metrics}
    found = [*_metric_problems(components, known), *_target_problems(components)]
    return Preview(
        tuple(_filled(components, row, known) for row in splits.train[:EXAMPLES]),
        tuple(edit.label for edit in sorted(components.space.edits, key=_is_added)),
        pinned_pieces(components.space.baseline, components.config.edits.keep),
        label_counts((*splits.demonstrations, *rows)),
        (*components.warnings, *located(components.loaded, found)),
    )


def _is_added(edit: Edit) -> bool:
    """What changes the user's own words comes first."""
    return edit.kind not in _OF_THE_TEXT


def _filled(components: Components, row: Example, known: Mapping[str, Sequence[KnownAnswers]]) -> FilledExample:
    scores = {
        name: {of: score.value for of, score in one.scores.items() if not math.isnan(score.value)}
        for name, graded in known.items()
        for one in graded
        if one.row is row
    }
    reference = None if row.reference is None else as_text(row.reference)
    return FilledExample(components.space.baseline.render(row.fields), reference, scores)


def _metric_problems(components: Components, known: Mapping[str, Sequence[KnownAnswers]]) -> Iterator[Problem]:
    for position, metric in enumerate(components.config.reward.metrics):
        if isinstance(metric, QualityConfig):
            key = f"reward.metrics.{position}"
            yield from known_answer_problems(key, metric.name, known[metric.name], metric.definition)
    yield from _unmeasured_form(components)


def _unmeasured_form(components: Components) -> Iterator[Problem]:
    """That the prompt shows the JSON it wants, and may lose that, for no metric would notice."""
    baseline = components.space.baseline
    is_shown = any(map(_ASKS_FOR_JSON.search, (*dict(baseline.slots).values(), baseline.user.text)))
    is_measured = any(isinstance(metric.definition, _LOOKS_AT_FORM) for metric in components.config.reward.qualities)
    is_kept = any(map(_ASKS_FOR_JSON.search, pinned_pieces(baseline, components.config.edits.keep)))
    if is_shown and not (is_measured or is_kept):
        message = "the prompt shows the JSON that it wants, but no metric sees whether an answer is JSON"
        hint = "add {type: json_valid}, or name that part of the prompt in edits.keep: else the winner may lack it"
        yield Problem("reward.metrics", message, hint, is_warning=True)


def _target_problems(components: Components) -> Iterator[Problem]:
    """What would stop a run before its first call; a model is not loaded, and the user's code not imported."""
    for key, model in components.loaded.models.items():
        is_given = key == TARGET and components.given.target is not None
        if not (is_given or model.opens_slowly or isinstance(model, PythonTargetDefinition)):
            yield from _opening_problems(components, key)


def _opening_problems(components: Components, key: str) -> Iterator[Problem]:
    try:
        opened = open_model(components, key)
    except ConfigError as error:
        for problem in error.problems:
            yield replace(problem, message=f"{problem.message}; training would stop here", is_warning=True)
    else:
        asyncio.run_coroutine_threadsafe(opened.aclose(), background_loop()).result()
