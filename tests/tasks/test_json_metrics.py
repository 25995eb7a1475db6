"""Rules about JSON answers, in fences, between words, broken and hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Score
from tests.tasks.scored import scored

ORDER = {"item": "Chair", "count": 2, "paid": True}
SCHEMA = {
    "type": "object",
    "properties": {"count": {"$ref": "#/$defs/count"}},
    "required": ["count"],
    "$defs": {"count": {"type": "integer", "minimum": 0}},
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def graded(kind: str, text: str, reference: Any = None, **params: Any) -> Score:
    """Score one answer."""
    example = Example("r", {}, reference, {})
    return scored(METRICS[kind](**params), text, [example])


def schema_problem(schema: Any) -> str:
    """What is wrong with a schema."""
    with pytest.raises(ConfigError) as caught:
        graded("json_schema", "{}", schema=schema)
    (problem,) = caught.value.problems
    assert problem.key == "schema"
    return problem.message


class TestJsonValid:
    """The whole answer is JSON."""

    @pytest.mark.parametrize(
        "text",
        ['{"a": 1}', " [1, 2]\n", "42", '"text"', "null", '```json\n{"a": 1}\n```', "\n```\n[]\n```\n", '{"a": "```"}'],
    )
    def test_valid(self, text: str) -> None:
        """Also in one code fence around all of it."""
        assert graded("json_valid", text) == Score(1.0)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "empty answer"),
            ("  ", "empty answer"),
            ("```json\n```", "empty answer"),
            ('Sure! {"a": 1}', "not JSON: 'Sure!"),
            ('```json\n{"a": 1}\n```\nHope this helps', "not JSON"),
            ("{'a': 1}", "not JSON"),
            ('{"a": 1,}', "not JSON"),
            ('{"a": 1, "a": 2}', "is there twice"),
            ('{"a": NaN}', "NaN is not JSON"),
            ("-Infinity", "-Infinity is not JSON"),
            ("[" * 100_000, "not JSON"),
            ("9" * 5000, "not JSON"),
            ("[" + "1," * 200_000 + "1]", "longer than"),
        ],
        ids=lambda text: text[:20],
    )
    def test_invalid(self, text: str, reason: str) -> None:
        """With the reason, and without a crash."""
        score = graded("json_valid", text)
        assert score.value == 0
        assert reason in score.reason

    @given(JSON_VALUES)
    def test_whatever_json_writes_is_json(self, value: Any) -> None:
        """By the standard library's writer."""
        assert graded("json_valid", json.dumps(value)).value == 1


class TestJsonSchema:
    """The whole answer is JSON that fits."""

    @pytest.mark.parametrize("text", ['{"count": 3}', '```json\n{"count": 0, "x": 1}\n```'])
    def test_it_fits(self, text: str) -> None:
        """Also by a reference inside the schema."""
        assert graded("json_schema", text, schema=SCHEMA) == Score(1.0)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"count": -1}', "$.count: '-1 is less than the minimum of 0'"),
            ('{"count": "3"}', "$.count"),
            ("{}", "'count' is a required property"),
            ("[]", "$: "),
            ("no", "not JSON"),
        ],
    )
    def test_it_does_not_fit(self, text: str, reason: str) -> None:
        """The place and the fault are named."""
        score = graded("json_schema", text, schema=SCHEMA)
        assert score.value == 0
        assert reason in score.reason

    def test_a_value_nested_deeper_than_the_stack_scores_0(self) -> None:
        """A recursive schema follows a hostile answer down."""
        schema = {"items": {"$ref": "#"}}
        assert graded("json_schema", "[" * 400 + "]" * 400, schema=schema).value in (0, 1)

    def test_older_drafts_are_understood(self) -> None:
        """By what the schema says of itself."""
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
        assert graded("json_schema", '["x"]', schema=schema).value == 1
        assert graded("json_schema", "[1]", schema=schema).value == 0

    def test_what_is_no_schema_is_refused(self) -> None:
        """Before a call is paid for."""
        assert "'strin' is not valid" in schema_problem({"type": "strin"})

    @pytest.mark.parametrize("reference", ["#/$defs/none", "http://localhost:1/schema.json", "other.json"])
    def test_references_out_of_the_schema_are_refused(self, reference: str) -> None:
        """Following them would use the network while scoring."""
        assert schema_problem({"properties": {"a": {"$ref": reference}}}).startswith(f"refers to {reference!r}")


class TestJsonFields:
    """Partial credit for fields."""

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(ORDER),
            f"```json\n{json.dumps(ORDER)}\n```",
            f"Sure, here it is: {json.dumps(ORDER)} Anything else?",
            f"Thinking {{well}}...\n```\n{json.dumps(ORDER, indent=2)}\n```\nDone.",
            f'First I thought {{"item": "Table"}}, but it is {json.dumps(ORDER)}',
            '{"item": " chair ", "count": 2.0, "paid": true, "note": "x"}',
        ],
    )
    def test_the_object_is_found(self, text: str) -> None:
        """In a fence, between words, after a draft; case and spacing of texts do not matter."""
        assert graded("json_fields", text, ORDER) == Score(1.0)

    @pytest.mark.parametrize(
        ("text", "expected", "reason"),
        [
            ('{"item": "chair", "count": 3, "paid": true}', 2 / 3, "wrong: count"),
            ('{"item": "chair", "count": "2", "paid": 1}', 1 / 3, "wrong: count, paid"),
            ('{"item": "chair"}', 1 / 3, "wrong: count, paid"),
            ("{}", 0, "wrong: item, count, paid"),
            ("[1]", 0, "no JSON object in '[1]'"),
            ("no idea", 0, "no JSON object in 'no idea'"),
            ('{"item": "chair", "item": "table"}', 0, "is there twice"),
            ('{"count": NaN}', 0, "NaN is not JSON"),
            ('{"item": "chair", ', 0, "no JSON object"),
        ],
    )
    def test_the_share_of_right_fields_counts(self, text: str, expected: float, reason: str) -> None:
        """Types matter: 2 is not "2", and true is not 1."""
        score = graded("json_fields", text, ORDER)
        assert score.value == pytest.approx(expected)
        assert reason in score.reason

    def test_nested_values_are_compared_as_a_whole(self) -> None:
        """Lists in their order, objects by key."""
        reference = {"a": [1, {"b": "X"}], "c": {"d": None}}
        assert graded("json_fields", '{"a": [1, {"b": "x"}], "c": {"d": null}}', reference).value == 1
        assert graded("json_fields", '{"a": [{"b": "x"}, 1], "c": {"d": 0}}', reference).value == 0
        assert graded("json_fields", '{"a": [1], "c": {}}', reference).value == 0

    def test_fields_can_be_chosen(self) -> None:
        """The others are ignored."""
        assert graded("json_fields", '{"count": 2, "item": "?"}', ORDER, fields=("count",)).value == 1

    def test_extra_fields_can_be_penalised(self) -> None:
        """Each counts like a wrong one."""
        text = json.dumps({**ORDER, "note": "x"})
        score = graded("json_fields", text, ORDER, extra="penalize")
        assert score == Score(0.75, "extra: note")

    def test_case_can_matter(self) -> None:
        """By parameter."""
        assert graded("json_fields", '{"a": "x"}', {"a": "X"}, ignore_case=False).value == 0

    def test_the_reference_may_be_json_text(self) -> None:
        """In a table there is nothing else."""
        assert graded("json_fields", json.dumps(ORDER), json.dumps(ORDER)).value == 1

    @pytest.mark.parametrize(
        ("reference", "fields", "words"),
        [
            ("Chair", None, r"'Chair' is no JSON object .*\(write \{\"label\": \"…\"\} in the column, or take choice"),
            ("Chair", ("kind",), r"is no JSON object .*write \{\"kind\": \"…\"\}"),
            ([1], None, "is no JSON object"),
            ({}, None, "the object has no fields"),
            ({"a": 1}, ("b",), "the field 'b' is not in a"),
        ],
    )
    def test_references_that_do_not_fit_are_refused(self, reference: Any, fields: Any, words: str) -> None:
        """Before a call is paid for."""
        with pytest.raises(ConfigError, match=words):
            graded("json_fields", "{}", reference, fields=fields)

    @pytest.mark.parametrize("text", ["{" * 100_000, '{"a":' * 50_000, '{"a":1}' * 30_000, "[" * 100_000 + "{}"])
    def test_hostile_texts_end_soon(self, text: str) -> None:
        """A model may write anything, at any length."""
        assert graded("json_fields", text, {"a": 2}).value == 0


@given(st.text() | st.text(alphabet='{}[]":,`a1 \n'))
def test_any_text_scores_between_0_and_1(text: str) -> None:
    """Nothing a model writes raises."""
    assert 0 <= graded("json_valid", text).value <= 1
    assert 0 <= graded("json_schema", text, schema=SCHEMA).value <= 1
    assert 0 <= graded("json_fields", text, ORDER, extra="penalize").value <= 1
