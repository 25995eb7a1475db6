"""A run as a promptfooconfig.yaml: baseline and winner side by side on the test rows, with what promptfoo can check.

Nothing that a row, an option or a reference says is a template, a file or a package for promptfoo: what could be taken
for one is cut into pieces, or has its braces written as text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from promptrl.prompts.prompt import UserTemplate
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import MetricDefinition
from promptrl.tasks.metrics.registry import kind_of
from promptrl.tasks.metrics.structured import JsonSchema, JsonValid
from promptrl.tasks.metrics.text import Choice, Contains, ExactMatch, Regex

SCHEMA = "https://promptfoo.dev/config-schema.json"
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Private-use characters that stand around a placeholder while the text around it is treated."""

_TAG_MARK = re.compile(r"\{(?=[{%#]|\Z)|#(?=\})")
"""A brace that begins a nunjucks tag, or may once a placeholder follows; and what ends a comment that never began."""
_REFERENCE = re.compile(r"file://|package:")
"""What begins a text that promptfoo reads, or runs, from elsewhere."""
_CUTS = re.compile(r"(?<=\{)(?=[{%#])|(?<=^file:)(?=//)|(?<=^package)(?=:)")
"""Where a value is cut so that no piece is a template or names a file."""

Assertion = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """A score of the run.

    Attributes:
        name: As the config calls it.
        weight: Its share in the objective; 0: recorded only, for promptfoo too.
        definition: What it is.
    """

    name: str
    weight: float
    definition: MetricDefinition


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What the prompts are tried on.

    Attributes:
        rows: The test rows.
        checks: The scores.
        note: Why there are no rows, if there are none.
    """

    rows: Sequence[Example] = ()
    checks: Sequence[Check] = ()
    note: str = ""


def promptfoo_config(
    run_id: str,
    result: Mapping[str, Any],
    provider: Mapping[str, Any],
    template_length: int,
    tried: CheckedRows,
    notes: Sequence[str],
) -> str:
    """The config, with comments that say what it leaves out (https://www.promptfoo.dev/docs/configuration/reference/).

    Args:
        run_id: Of the run.
        result: Its result.
        provider: Who is asked.
        template_length: How many of a prompt's last messages are the user template.
        tried: The rows and how they are scored.
        notes: Further comments.
    """
    asked = {
        label: [UserTemplate(message["content"]) for message in result[label]["messages"][-template_length:]]
        for label in ("baseline", "winner")
    }
    names = dict.fromkeys(name for turns in asked.values() for turn in turns for name in turn.placeholders)
    is_plain = not any(_is_changed(row.fields[name]) for row in tried.rows for name in names)
    hole = "{{%s}}" if is_plain else "{{row.%s | join}}"
    messages = {label: _as_nunjucks(result[label]["messages"], template_length, hole) for label in asked}
    prompts = [{"label": label, "raw": json.dumps(raw, ensure_ascii=False)} for label, raw in messages.items()]
    config = {
        "description": f"promptrl run {run_id}",
        "prompts": prompts,
        "providers": [dict(provider)],
        "tests": [_test(row, list(names), tried.checks, is_plain=is_plain) for row in tried.rows],
    }
    comments = [*notes, *([tried.note] if tried.note else []), *_what_differs(tried)]
    head = "".join(f"# {line}\n" for line in (f"yaml-language-server: $schema={SCHEMA}", *comments))
    return head + yaml.safe_dump(config, allow_unicode=True, sort_keys=False, width=100)


def _test(row: Example, names: Sequence[str], checks: Sequence[Check], *, is_plain: bool) -> dict[str, Any]:
    values = {name: row.fields[name] for name in names}
    pieces = {name: [piece for piece in _CUTS.split(value) if piece] for name, value in values.items()}
    checked = [(check, _assertion(check.definition, row)) for check in checks]
    assertions = [{**each, "metric": check.name, "weight": check.weight} for check, each in checked if each]
    return {"vars": values if is_plain else {"row": pieces}, **({"assert": assertions} if assertions else {})}


def _is_changed(value: str) -> bool:
    """Whether promptfoo would take a value for something else, or cut its end off."""
    return bool(_CUTS.search(value)) or value.endswith("\n")


def _assertion(definition: MetricDefinition, row: Example) -> Assertion | None:
    """The nearest check that promptfoo has; None where it has none."""
    answers = [_as_value(answer.strip()) for answer in accepted_answers(row.reference)]
    match definition:
        case ExactMatch(after=after):
            each = [{"type": "equals", "value": answer, "transform": _cut_out(after)} for answer in answers]
            return each[0] if len(each) == 1 else {"type": "assert-set", "threshold": 0.9 / len(each), "assert": each}
        case Choice(after=after, ignore_case=ignore_case) | Contains(after=after, ignore_case=ignore_case):
            return _contains(answers, ignore_case=ignore_case) | ({"transform": _cut_out(after)} if after else {})
        case Regex(group=0, ignore_case=False, pattern=pattern):
            return {"type": "regex", "value": _as_value(pattern)}
        case JsonSchema(schema=schema):
            return {"type": "is-json", "value": _as_value(json.dumps(schema))}
        case JsonValid():
            return {"type": "is-json"}
    return None


def _contains(answers: list[str], *, ignore_case: bool) -> Assertion:
    kind = "icontains" if ignore_case else "contains"
    return {"type": kind, "value": answers[0]} if len(answers) == 1 else {"type": f"{kind}-any", "value": answers}


def _what_differs(tried: CheckedRows) -> Iterator[str]:
    """How each score is checked, where that is not the same or can't be done."""
    for check in tried.checks if tried.rows else ():
        kind, definition = kind_of(check.definition), check.definition
        if _assertion(definition, tried.rows[0]) is None:
            yield f"{check.name}: {kind} with these settings has no counterpart in promptfoo; it is left out."
        elif isinstance(definition, ExactMatch):
            yield f"{check.name}: promptfoo's equals is stricter than {kind}: case and punctuation count."
        elif isinstance(definition, Choice):
            yield f"{check.name}: promptfoo checks that the label occurs, not that no other one does."
        elif isinstance(definition, Regex):
            yield f"{check.name}: a JavaScript pattern here, a Python one in the run; few differ."
        elif isinstance(definition, JsonSchema | JsonValid):
            yield f"{check.name}: promptfoo takes no JSON in a code fence."


def _cut_out(after: str | None) -> str:
    """JavaScript for the answer in an output."""
    return f"output.split({json.dumps(after)}).pop().trim()" if after else "output.trim()"


def _as_value(text: str) -> str:
    """A text that promptfoo renders to itself and looks up nowhere."""
    return f"{{{{ '' }}}}{_guard(text)}" if _REFERENCE.match(text) else _guard(text)


def _as_nunjucks(messages: list[dict[str, str]], asked: int, hole: str) -> list[dict[str, str]]:
    """The messages with promptfoo's holes for our ``{name}``; it fills each message by itself."""
    guarded = [_guard(message["content"]) for message in messages[:-asked]]
    contents = guarded + [_filled_by_nunjucks(message["content"], hole) for message in messages[-asked:]]
    return [{**message, "content": content} for message, content in zip(messages, contents, strict=True)]


def _filled_by_nunjucks(text: str, hole: str) -> str:
    template = UserTemplate(text)
    (marked,) = template.render({name: f"{_OPEN}{name}{_CLOSE}" for name in template.placeholders})
    parts = re.split(f"{_OPEN}(.*?){_CLOSE}", marked.content)
    return "".join(hole % part if i % 2 else _guard(part) for i, part in enumerate(parts))


def _guard(text: str) -> str:
    """Text that nunjucks gives back as it is: nothing in it can begin a tag, wherever it stands."""
    return _TAG_MARK.sub(r"{{ '\g<0>' }}", text)
