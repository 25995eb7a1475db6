"""Metrics are built by name; faults score 0; a function of the user's is code that may fail."""

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from promptrl.config.metrics import QUALITIES
from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Metric, Score, build_metric
from promptrl.tasks.metrics.base import Rule
from promptrl.tasks.metrics.text import Choice
from tests.tasks.scored import alone, scored

SETTINGS: dict[str, dict[str, Any]] = {
    "json_schema": {"schema": {}},
    "python": {"function": "json:dumps"},
    "judge": {"rubric": "fluency"},
}
REFERENCES: dict[str, Any] = {"numeric_match": "1", "json_fields": {"a": 1}}


def needed(kind: str) -> dict[str, Any]:
    """What a type can't be made without: a text for every setting that has no default, unless it is no text."""
    without = [f.name for f in fields(METRICS[kind]) if f.default is MISSING and f.default_factory is MISSING]
    return dict.fromkeys(without, ".") | SETTINGS.get(kind, {})


def example_for(kind: str) -> Example:
    """A row whose reference fits."""
    return Example("row", {}, REFERENCES.get(kind, "x"), {"k": "v"})


def build(kind: str, params: dict[str, Any] | None = None, reference: Any = "x") -> Metric:
    """A metric on one row."""
    definition = METRICS[kind](**(params or {}))
    return build_metric(definition, name="m", examples=[Example("row", {}, reference, {})])


def problem_of(kind: str, params: dict[str, Any] | None = None, reference: Any = "x") -> Problem:
    """The one thing wrong."""
    with pytest.raises(ConfigError) as caught:
        build(kind, params, reference)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("kind", [kind for kind, definition in METRICS.items() if issubclass(definition, Rule)])
def test_a_faulty_completion_scores_0_with_its_fault(kind: str) -> None:
    """For every rule, even one that would have liked the text."""
    definition = METRICS[kind](**needed(kind))
    fault = Completion("x", fault="content_filter")
    assert scored(definition, fault, [example_for(kind)]) == Score(0.0, "content_filter")


@pytest.mark.parametrize("kind", METRICS)
def test_a_block_of_the_config_gives_its_definition(kind: str) -> None:
    """With the settings that were given and the defaults of the others; the name is the type unless given."""
    given = needed(kind)
    block = QUALITIES[kind].model_validate({"type": kind, **given})
    assert block.definition == METRICS[kind](**given)
    assert build_metric(block.definition, name=block.name, examples=[example_for(kind)]).name == kind


@pytest.mark.parametrize("kind", [kind for kind, rule in METRICS.items() if rule(**needed(kind)).needs_reference])
def test_a_comparison_needs_references(kind: str) -> None:
    """The way out is named."""
    problem = problem_of(kind, needed(kind), reference=None)
    assert (problem.key, problem.hint) == ("", "say dataset.reference")


@pytest.mark.parametrize("kind", METRICS)
def test_unknown_settings_are_refused(kind: str) -> None:
    """By the config, which names the key, and by the definition itself."""
    with pytest.raises(ValidationError, match=r"aftr\n.*not permitted"):
        QUALITIES[kind].model_validate({"type": kind, **needed(kind), "aftr": "x"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'aftr'"):
        METRICS[kind](**needed(kind), aftr="x")


def test_references_that_do_not_fit_are_counted() -> None:
    """The first is quoted."""
    examples = [Example(str(i), {}, answer, {}) for i, answer in enumerate(["yes", "no", "perhaps", "who knows"])]
    with pytest.raises(
        ConfigError, match=r"'perhaps' is none of the choices no, yes \(and 1 row more, such as 'who knows'\)"
    ):
        build_metric(Choice(choices=("yes", "no")), name="m", examples=examples)


def test_a_choice_among_hundreds_is_none() -> None:
    """Free text as reference is a mistake in the config."""
    examples = [Example(str(i), {}, f"answer {i}", {}) for i in range(300)]
    with pytest.raises(ConfigError, match="300 different labels"):
        build_metric(Choice(), name="m", examples=examples)


@pytest.mark.parametrize(
    ("params", "key"),
    [({"pattern": "("}, "pattern"), ({"pattern": "x", "group": 1}, "group")],
    ids=["pattern", "group"],
)
def test_a_wrong_pattern_is_refused(params: dict[str, Any], key: str) -> None:
    """With the parameter at fault."""
    assert problem_of("regex", params).key == key


def test_a_group_needs_references() -> None:
    """A match alone does not."""
    assert "there is none" in problem_of("regex", {"pattern": "(x)", "group": 1}, reference=None).message
    assert build("regex", {"pattern": "(x)"}, reference=None).name == "m"


class TestPython:
    """A function of the user's own."""

    CODE = """
def length(completion, reference, row):
    return min(len(completion) / 10, 1)
def verdict(completion, reference, row):
    return completion == row["k"], f"wanted {reference}"
def nothing(completion, reference, row):
    pass
def broken(completion, reference, row):
    return 1 / 0
NUMBER = 3
def lonely(completion):
    return 1
"""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A module beside the config."""
        (tmp_path / "my_metric.py").write_text(self.CODE, encoding="utf-8")
        monkeypatch.setattr(sys, "path", list(sys.path))
        yield tmp_path
        sys.modules.pop("my_metric", None)

    def given_by(self, folder: Path, function: str, text: str) -> Any:
        """Import and call."""
        metric = build("python", {"function": f"my_metric:{function}"})
        (given,) = metric.open(alone(folder)).score_many([(example_for("python"), Completion(text))])
        return given

    def test_what_it_gives_is_handed_on(self, folder: Path) -> None:
        """It takes the text, the reference and the whole row."""
        assert self.given_by(folder, "length", "12345") == 0.5
        assert self.given_by(folder, "verdict", "v") == (True, "wanted x")
        assert self.given_by(folder, "nothing", "x") is None

    @pytest.mark.parametrize(
        ("function", "words"), [("broken", "m raised ZeroDivisionError: division by zero on row row")]
    )
    def test_an_error_of_it_stops_the_run(self, function: str, words: str, folder: Path) -> None:
        """A fault of the metric is not one of the completion."""
        with pytest.raises(ConfigError, match=words):
            self.given_by(folder, function, "x")

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            ("missing", "can't be imported: AttributeError"),
            ("NUMBER", "is not a function"),
            ("lonely", r"can't be called with \(completion, reference, row\): too many positional arguments"),
        ],
    )
    def test_what_is_no_function_is_refused_when_opened(self, function: str, words: str, folder: Path) -> None:
        """That is before a call is paid for."""
        metric = build("python", {"function": f"my_metric:{function}"})
        with pytest.raises(ConfigError, match=rf"^reward\.metrics: my_metric:{function} {words}"):
            metric.open(alone(folder))

    def test_building_runs_no_code(self, folder: Path) -> None:
        """Checking a config is safe with any config."""
        (folder / "my_metric.py").write_text("raise SystemExit", encoding="utf-8")
        assert build("python", {"function": "my_metric:length"}).name == "m"
        assert "my_metric" not in sys.modules

    @pytest.mark.parametrize("function", ["len", ":x", "x:"])
    def test_the_form_of_the_name_is_checked_where_no_config_was(self, function: str, folder: Path) -> None:
        """A definition made in Python is refused when it is opened, by the same rule."""
        with pytest.raises(ConfigError, match=rf"^reward\.metrics: got '{function}', expected module:function$"):
            build("python", {"function": function}).open(alone(folder))

    @pytest.mark.parametrize("function", ["len", "a:b:c", ":x", "x:"])
    def test_the_form_of_the_name_is_checked_by_the_config(self, function: str) -> None:
        """Before anything is imported."""
        with pytest.raises(ValidationError, match="function"):
            QUALITIES["python"].model_validate({"type": "python", "function": function})
