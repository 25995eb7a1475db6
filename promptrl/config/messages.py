"""Turns pydantic's errors into plain words: the key, what was found, what was expected, and the way out."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from promptrl.config.blocks import Issue
from promptrl.config.experiment import ExperimentConfig
from promptrl.config.schema import Place, SchemaRow, expectation, fields_of, place_of, schema_rows
from promptrl.config.source import KeyPath, Mark
from promptrl.config.targets import MODEL_KEYS
from promptrl.errors import nearest, show

SECRET_KEYS = ("api_key", "apikey", "key", "token", "secret", "password", "authorization")
UNKNOWN, MISSING, MEANT = "is not a known key", "is missing", "did you mean "
MISSPELT_BOOLS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def translate(error: ValidationError, marks: Mapping[KeyPath, Mark]) -> list[Issue]:
    """Give every error of a validation of the whole config as an issue, at most one for a key and its misspelling."""
    issues: dict[KeyPath, Issue] = {}
    shortened: set[KeyPath] = set()  # pydantic does not count the items of a list that are wrong themselves
    for detail in error.errors(include_url=False):
        path, place, parent = _locate(detail["loc"])
        if detail["type"] == "issues":
            found = [Issue((*path, *issue.path), issue.message, issue.hint) for issue in detail["ctx"]["issues"]]
        else:
            found = [_issue(detail["type"], path, place, parent, detail["input"], marks)]
        for issue in found:
            issues.setdefault(issue.path, issue)
        if detail["type"] == "too_short":
            shortened.add(path)
    with_faults_below = {path for path in shortened for other in issues if other[: len(path)] == path != other}
    misspelt = {(*path[:-1], issue.hint.removeprefix(MEANT)) for path, issue in issues.items() if _is_misspelt(issue)}
    known = {path for path in misspelt if path in issues and issues[path].message == MISSING}
    return [issue for path, issue in issues.items() if path not in with_faults_below | known]


def _is_misspelt(issue: Issue) -> bool:
    return issue.message == UNKNOWN and issue.hint.startswith(MEANT)


def place_at(path: KeyPath, data: Any) -> Place | None:
    """The place that a path of the config leads to; None when there is no such key."""
    place: Place | None = Place(ExperimentConfig)
    for key in path:
        variant = data.get(place.type_key) if place and isinstance(data, dict) else None
        place = place.child(key, variant if isinstance(variant, str) else None) if place else None
        data = _step(data, key)
    return place


def _locate(loc: tuple[int | str, ...]) -> tuple[KeyPath, Place | None, tuple[Place, str]]:
    """Follow pydantic's location, which also names the chosen variant of a union.

    Returns:
        path: Keys as in the file.
        place: What stands there; None for an unknown key.
        parent: The block above and its variant.
    """
    path: list[str] = []
    place: Place | None = Place(ExperimentConfig)
    parent, variant = (Place(ExperimentConfig), ""), ""
    for step in map(str, loc):
        if place is None:
            break
        if step == "[key]":
            place = place_of(get_args(parent[0].kind)[0])
            break
        if place.variants and not variant:
            variant = step
            continue
        parent = (place, variant)
        place, variant = place.child(step, variant), ""
        path.append(step)
    return tuple(path), place, parent


def _issue(
    kind: str, path: KeyPath, place: Place | None, parent: tuple[Place, str], value: Any, marks: Mapping[KeyPath, Mark]
) -> Issue:
    if kind == "extra_forbidden" or place is None:
        return _key_of_others(path, parent) or Issue(path, UNKNOWN, _hint_for_unknown(path, parent))
    if kind == "missing":
        return Issue(path, MISSING, f"expected {expectation(place)}")
    if kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(value, dict):
        return _wrong_type_key((*path, place.type_key), place, value)
    if place.expect.is_private and isinstance(value, str):
        return Issue(path, f"expected {expectation(place)}", "the value is not shown here")
    if value is None and not place.is_nullable:
        return Issue(path, f"is empty, expected {expectation(place)}", "leave the key out or give it a value")
    return Issue(path, f"got {show(value)}, expected {expectation(place)}", _hint_for_value(place, value, path, marks))


def _wrong_type_key(path: KeyPath, place: Place, value: dict[str, Any]) -> Issue:
    names = list(place.variants)
    expected = f"expected one of {', '.join(names)}"
    if path[-1] not in value:
        return Issue(path, "is missing", expected)
    found = value[path[-1]]
    if found is None:
        return Issue(path, f"is empty, {expected}")
    if not isinstance(found, str):
        return Issue(path, f"got {show(found)}, {expected}")
    if found in place.expect.later:
        return Issue(path, f'"{found}" is not in this version yet, {expected}')
    near = nearest(found, names)
    return Issue(path, f"got {show(found)}, {expected}", f"did you mean {near}" if near else "")


def _key_of_others(path: KeyPath, parent: tuple[Place, str]) -> Issue | None:
    """For a key that other algorithms read, but not the one that is named."""
    place, name = parent
    own = place.variants.get(name)
    if own is None or place.type_key != "name":
        return None
    others = [tag for tag, block in place.variants.items() if path[-1] in dict(fields_of(block))]
    read = [key for key, _ in fields_of(own) if key != "name"]
    hint = f"remove the key, or choose one of {', '.join(others)}"
    return Issue(path, f"means nothing to {name}, which reads {', '.join(read)} only", hint) if others else None


def _hint_for_unknown(path: KeyPath, parent: tuple[Place, str]) -> str:
    key = path[-1]
    place, variant = parent
    block = place.variants.get(variant) or place.block
    known = [name for name, _ in fields_of(block)] if block else []
    if not MODEL_KEYS.isdisjoint(path[:-1]) and key.lower() in SECRET_KEYS:
        return "secrets come from the environment: name the variable in api_key_env or headers"
    if near := nearest(key, known):
        return f"{MEANT}{near}"
    if elsewhere := _places_with_key(key, ".".join(path[:-1])):
        return elsewhere
    return f"known here: {', '.join(known)}" if known else ""


def _places_with_key(key: str, parent: str) -> str:
    """Where a key that is not known here is known, if it is only one place."""
    rows: list[SchemaRow] = [row for row in schema_rows() if row.key.rpartition(".")[2] == key]
    keys = {row.key for row in rows}
    if len(keys) != 1:
        return ""
    row = rows[0]
    return f"only for type {row.when}" if row.key == f"{parent}.{key}" else f"it belongs at {row.key}"


def _hint_for_value(place: Place, value: Any, path: KeyPath, marks: Mapping[KeyPath, Mark]) -> str:
    if place.kind is bool and isinstance(value, str) and value.lower() in MISSPELT_BOOLS:
        return f"write {MISSPELT_BOOLS[value.lower()]}"
    if isinstance(value, str) and _is_number(value) and place.kind in (int, float):
        return "write it without quotes"
    if place.takes_text and isinstance(value, bool | int | float):
        written = marks[path].written if path in marks else ""
        return f'put it in quotes: "{written or show(value)}"'
    if place.takes_text and isinstance(value, dict):
        return "put text that holds braces or a colon in quotes"
    if isinstance(value, str):
        if any(later in (value, "text") for later in place.expect.later):
            return "not in this version yet"
        if near := nearest(value, list(place.choices)):
            return f"did you mean {near}"
        return "write it as a list, in [ ]" if expectation(place).startswith("a list") else ""
    return "not in this version yet" if isinstance(value, dict) and "mapping" in place.expect.later else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _step(data: Any, key: str) -> Any:
    if isinstance(data, dict):
        return data.get(key)
    if isinstance(data, list) and key.isdecimal() and int(key) < len(data):
        return data[int(key)]
    return None
