"""Rules about JSON answers: json_valid, json_schema, json_fields."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from promptrl.settings import Setting, Text
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import IgnoreCase, Refusal, Rule, Score, in_quotes, parameter_error
from promptrl.tasks.metrics.patterns import search
from promptrl.tasks.metrics.time_limit import OutOfTimeError, in_time
from promptrl.tasks.metrics.words import normalise_words
from promptrl.tasks.strict_json import NotJsonError, read_json, read_json_at

MAX_JSON_CHARACTERS = 200_000
MAX_ATTEMPTS = 1_000
SCHEMA_TIMEOUT_S = 10.0

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)```", re.DOTALL)
_ONE_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\n(.*?)```\s*", re.DOTALL)


def parse_json(text: str) -> Any:
    """Read a text that is JSON as a whole, or one Markdown code fence around it.

    Stricter than Python's reader: duplicate keys, NaN and Infinity are no JSON.

    Raises:
        NotJsonError: It is none.
    """
    fence = _ONE_FENCE.fullmatch(text)
    return _decode((fence[1] if fence else text).strip())


def find_object(text: str) -> dict[str, Any]:
    """Read the last JSON object of a text, which may stand in a code fence or between words.

    Raises:
        NotJsonError: There is none.
    """
    for candidate in (text, *reversed(_FENCE.findall(text))):
        try:
            value = parse_json(candidate)
        except NotJsonError:
            continue
        if isinstance(value, dict):
            return value
    return _last_object(text[-MAX_JSON_CHARACTERS:])


def _decode(text: str) -> Any:
    if not text:
        raise NotJsonError("empty answer")
    if len(text) > MAX_JSON_CHARACTERS:
        raise NotJsonError(f"longer than {MAX_JSON_CHARACTERS} characters")
    try:
        return read_json(text)
    except NotJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"not JSON: {in_quotes(text)}") from error


def _last_object(text: str) -> dict[str, Any]:
    found: dict[str, Any] | None = None
    reason = f"no JSON object in {in_quotes(text)}"
    position = text.find("{")
    for _ in range(MAX_ATTEMPTS):
        if position < 0:
            break
        try:
            found, end = read_json_at(text, position)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, NotJsonError) else reason
            end = position + 1
        position = text.find("{", end)
    if found is None:
        raise NotJsonError(reason)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonValid(Rule):
    """The completion is JSON.

    The whole of it, or a code fence with JSON; words around it are no JSON.
    """

    summary: ClassVar[str] = "1 when the completion is JSON."

    def grade(self, text: str, example: Example) -> Score:
        """1 when all of the text is JSON, else 0 with the place of the fault."""
        try:
            parse_json(text)
        except NotJsonError as error:
            return Score(0.0, str(error))
        return Score(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema(Rule):
    """The completion is JSON that fits a schema.

    The whole of it, or a code fence with JSON.
    """

    summary: ClassVar[str] = "1 when the completion is JSON that fits the schema."

    schema: Annotated[
        dict[str, Any],
        Setting(
            "The JSON schema, or the path of a file that holds it.",
            expected="a JSON schema, or the path of a .json file that holds one",
            is_json_file=True,
        ),
    ]
    validator: Any = field(default=None, repr=False, compare=False)

    def fitted(self, references: tuple[Any, ...]) -> Self:
        """Check the schema, and that it refers to nothing outside itself: validating must not use the network."""
        import jsonschema
        from referencing import Registry, Resource
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import DRAFT202012

        validator_class = jsonschema.validators.validator_for(self.schema, default=jsonschema.Draft202012Validator)
        try:
            validator_class.check_schema(self.schema)
        except jsonschema.SchemaError as error:
            raise parameter_error("schema", f"is no JSON schema: {error.message}") from error
        resource = Resource.from_contents(self.schema, default_specification=DRAFT202012)
        resolver = Registry().with_resource("", resource).resolver()
        for reference in _schema_references(self.schema):
            try:
                resolver.lookup(reference)
            except Unresolvable as error:
                message = f"refers to {reference!r}, which is not in the schema"
                raise parameter_error("schema", message) from error
        keywords = {"pattern": _unlike_pattern}
        limited = jsonschema.validators.extend(validator_class, keywords)  # type: ignore[no-untyped-call]
        return replace(self, validator=limited(self.schema, registry=Registry()))

    def grade(self, text: str, example: Example) -> Score:
        """Parse and validate; the reason names the most telling fault. Missing where that takes too long."""
        import jsonschema

        try:
            value = parse_json(text)
            fault = in_time(
                SCHEMA_TIMEOUT_S, lambda: jsonschema.exceptions.best_match(self.validator.iter_errors(value))
            )
        except NotJsonError as error:
            return Score(0.0, str(error))
        except RecursionError:
            return Score(0.0, "too deeply nested")
        except TimeoutError as error:
            return Score(math.nan, str(error))
        except OutOfTimeError:
            return Score(math.nan, f"the schema took more than {SCHEMA_TIMEOUT_S:g} s")
        return Score(1.0) if fault is None else Score(0.0, f"{fault.json_path}: {in_quotes(fault.message)}")


def _unlike_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """The keyword ``pattern``, with a limit on the time that it takes."""
    import jsonschema

    if validator.is_type(instance, "string") and search(pattern, instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _schema_references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _schema_references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _schema_references(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonFields(Rule):
    """Share of the fields of a JSON answer that are right.

    The object may stand in a code fence or between words; the last one counts. Fields are compared by JSON type and
    value (5 is 5.0 but not "5"); in texts spacing and, if told so, case do not matter. With ``extra: penalize`` keys
    nobody asked for count like wrong fields.
    """

    summary: ClassVar[str] = "Share of the reference's fields that the JSON answer has right."

    fields: Annotated[
        tuple[Text, ...] | None, Setting("Fields that count; null: all those of the reference.", min_length=1)
    ] = None
    ignore_case: IgnoreCase = True
    extra: Annotated[Literal["ignore", "penalize"], Setting("What to do with fields nobody asked for.")] = "ignore"

    @property
    def needs_reference(self) -> bool:
        """Always."""
        return True

    def refusal(self, reference: Any) -> Refusal | None:
        """The reference must be an object, or text that holds one, with the fields that count."""
        try:
            expected = _as_object(reference)
        except NotJsonError:
            return Refusal(in_quotes(str(reference)), "is no JSON object", self._hint)
        missing = [name for name in self.fields or () if name not in expected]
        if missing:
            return Refusal(f"the field {missing[0]!r}", f"is not in {', '.join(expected) or 'the empty object'}")
        return None if expected else Refusal("the object", "has no fields")

    @property
    def _hint(self) -> str:
        name = self.fields[0] if self.fields else "label"
        return f'write {{"{name}": "…"}} in the column, or take choice, which finds one of a few labels in any answer'

    def grade(self, text: str, example: Example) -> Score:
        """The share of the fields that are right; 0 when the text holds no JSON object."""
        try:
            got = find_object(text)
        except NotJsonError as error:
            return Score(0.0, str(error))
        expected = _as_object(example.reference)
        names = self.fields or tuple(expected)
        wrong = [name for name in names if name not in got or not self._is_equal(got[name], expected[name])]
        extra = [name for name in got if name not in names] if self.extra == "penalize" else []
        value = (len(names) - len(wrong)) / (len(names) + len(extra))
        reasons = [f"wrong: {', '.join(wrong)}"] if wrong else []
        reasons += [f"extra: {', '.join(extra)}"] if extra else []
        return Score(value, in_quotes("; ".join(reasons), 200)[1:-1])

    def _is_equal(self, got: Any, expected: Any) -> bool:
        if isinstance(got, str) and isinstance(expected, str):
            return self._canonical(got) == self._canonical(expected)
        if isinstance(got, bool) or isinstance(expected, bool):
            return got is expected
        if isinstance(got, dict) and isinstance(expected, dict):
            return got.keys() == expected.keys() and all(self._is_equal(got[key], expected[key]) for key in got)
        if isinstance(got, list) and isinstance(expected, list):
            return len(got) == len(expected) and all(map(self._is_equal, got, expected))
        return bool(got == expected)

    def _canonical(self, text: str) -> str:
        return normalise_words(text, ignore_case=self.ignore_case)


def _as_object(reference: Any) -> dict[str, Any]:
    value = parse_json(reference) if isinstance(reference, str) else reference
    if not isinstance(value, dict):
        raise NotJsonError("is no JSON object")
    return value
