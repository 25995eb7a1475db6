"""Metrics are built by name; faults score 0; a function of the user's is code that may fail."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptrl.config.metrics import QualityConfig
from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Metric, Score, build_metric, import_functions

PARAMS: dict[str, dict[str, Any]] = {
    "regex": {"pattern": "."},
    "json_schema": {"schema": {}},
    "python": {"function": "json:dumps"},
}
REFERENCES: dict[str, Any] = {"numeric_match": "1", "json_fields": {"a": 1}}


def example_for(kind: str) -> Example:
    """A row whose reference fits."""
    return Example("row", {}, REFERENCES.get(kind, "x"), {"k": "v"})


def build(kind: str, params: dict[str, Any] | None = None, reference: Any = "x") -> Metric:
    """A metric on one row."""
    return build_metric(kind, name="m", params=params or {}, examples=[Example("row", {}, reference, {})])


def problem_of(kind: str, params: dict[str, Any] | None = None, reference: Any = "x") -> Problem:
    """The one thing wrong."""
    with pytest.raises(ConfigError) as caught:
        build(kind, params, reference)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("kind", METRICS)
def test_a_faulty_completion_scores_0_with_its_fault(kind: str) -> None:
    """For every type, even one that would have liked the text."""
    example = example_for(kind)
    metric = build_metric(kind, name="mine", params=PARAMS.get(kind, {}), examples=[example])
    assert metric.name == "mine"
    assert metric.score(example, Completion("x", fault="content_filter")) == Score(0.0, "content_filter")


@pytest.mark.parametrize("block", QualityConfig.__subclasses__(), ids=lambda block: block.__name__)
def test_every_metric_of_the_config_can_be_built_with_its_parameters(block: type[QualityConfig]) -> None:
    """Names and defaults of parameters are the same in both places."""
    kind = block.model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr]
    config = block(type=kind, **PARAMS.get(kind, {}))
    metric = build_metric(kind, name=config.name, params=config.params, examples=[example_for(kind)])
    assert metric.name == kind
    assert block.needs_reference == METRICS[kind].needs_reference


def test_an_unknown_type_names_the_nearest() -> None:
    """As for any name."""
    problem = problem_of("exact_mach")
    assert (problem.key, problem.hint) == ("type", "did you mean exact_match")


def test_unknown_parameters_are_refused() -> None:
    """Also "after" where nothing is cut."""
    assert "does not take these parameters: aftr" in problem_of("f1", {"aftr": "x"}).message
    assert "does not take" in problem_of("json_valid", {"after": "x"}).message


@pytest.mark.parametrize("kind", [kind for kind, rule in METRICS.items() if rule.needs_reference])
def test_a_comparison_needs_references(kind: str) -> None:
    """The way out is named."""
    problem = problem_of(kind, PARAMS.get(kind), reference=None)
    assert (problem.key, problem.hint) == ("", "say dataset.reference")


def test_references_that_do_not_fit_are_counted() -> None:
    """The first is quoted."""
    examples = [Example(str(i), {}, answer, {}) for i, answer in enumerate(["yes", "no", "perhaps", "who knows"])]
    with pytest.raises(ConfigError, match=r"'perhaps' is none of the choices no, yes \(and 1 rows more\)"):
        build_metric("choice", name="m", params={"choices": ("yes", "no")}, examples=examples)


def test_a_choice_among_hundreds_is_none() -> None:
    """Free text as reference is a mistake in the config."""
    examples = [Example(str(i), {}, f"answer {i}", {}) for i in range(300)]
    with pytest.raises(ConfigError, match="300 different labels"):
        build_metric("choice", name="m", params={}, examples=examples)


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
def too_much(completion, reference, row):
    return 1.5
def text(completion, reference, row):
    return "0.5"
def nothing(completion, reference, row):
    pass
def broken(completion, reference, row):
    return 1 / 0
NUMBER = 3
"""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A module beside the config."""
        (tmp_path / "my_metric.py").write_text(self.CODE, encoding="utf-8")
        monkeypatch.setattr(sys, "path", list(sys.path))
        yield tmp_path
        sys.modules.pop("my_metric", None)

    def score(self, folder: Path, function: str, text: str) -> Score:
        """Import and call."""
        example = example_for("python")
        params = {"function": f"my_metric:{function}"}
        metric = build_metric("python", name="m", params=params, examples=[example])
        import_functions([metric], folder)
        return metric.score(example, Completion(text))

    def test_its_number_is_the_score(self, folder: Path) -> None:
        """As it is."""
        assert self.score(folder, "length", "12345") == Score(0.5)

    def test_a_claim_with_a_reason_is_a_score(self, folder: Path) -> None:
        """It is given the reference and the whole row."""
        assert self.score(folder, "verdict", "v") == Score(1.0, "wanted x")
        assert self.score(folder, "verdict", "w") == Score(0.0, "wanted x")

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            ("too_much", "gave 1.5, expected a number from 0 to 1 on row row"),
            ("text", "gave '0.5'"),
            ("nothing", "gave None"),
            ("broken", "raised ZeroDivisionError"),
        ],
    )
    def test_what_is_no_score_stops_the_run(self, function: str, words: str, folder: Path) -> None:
        """A fault of the metric is not one of the completion."""
        with pytest.raises(ConfigError, match=words):
            self.score(folder, function, "x")

    @pytest.mark.parametrize("function", ["missing", "NUMBER"])
    def test_what_is_no_function_is_refused_when_imported(self, function: str, folder: Path) -> None:
        """That is before a call is paid for."""
        with pytest.raises(ConfigError, match=r"^reward\.metrics: my_metric"):
            self.score(folder, function, "x")

    def test_building_runs_no_code(self, folder: Path) -> None:
        """Checking a config is safe with any config."""
        (folder / "my_metric.py").write_text("raise SystemExit", encoding="utf-8")
        assert build("python", {"function": "my_metric:length"}).name == "m"
        assert "my_metric" not in sys.modules

    @pytest.mark.parametrize("function", ["len", "a:b:c", ":x", "x:"])
    def test_the_form_of_the_name_is_checked_when_built(self, function: str) -> None:
        """The key at fault is named."""
        assert problem_of("python", {"function": function}).key == "function"
