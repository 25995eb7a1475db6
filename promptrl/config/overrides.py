"""``-s key.path=value``: changes one key of the data that a config file gave."""

from typing import Any

from promptrl.config.blocks import Issue
from promptrl.config.messages import place_at
from promptrl.config.source import KeyPath, Mark, Source, SourceError, parse
from promptrl.errors import hide_secrets, show

OVERRIDE_FILE = "-s"


def apply_override(source: Source, override: str) -> list[Issue]:
    """Change the source in place.

    The value is YAML, but where only text fits it is taken as it stands unless it is in quotes; an empty one is null.
    Mappings on the way are made where there are none; the position after the last one of a list appends.

    Returns:
        What is wrong with the override; then the source is as it was.
    """
    key, equals, written = override.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        message = f"{hide_secrets(show(key if equals else override))} is not an override, expected key.path=value"
        return [Issue((), message, "example: -s budget.max_calls=500")]
    issues, value, marks = _read(path, written.strip(), source.data)
    if issues:
        return issues
    if issue := _put(source, path, value):
        return [issue]
    for old in [old for old in source.marks if old[: len(path)] == path]:
        del source.marks[old]
    for length in range(1, len(path)):
        source.marks.setdefault(path[:length], Mark(OVERRIDE_FILE, None))
    source.marks[path] = Mark(OVERRIDE_FILE, None, written.strip())
    source.marks.update({(*path, *below): Mark(OVERRIDE_FILE, None, mark.written) for below, mark in marks.items()})
    return []


def _read(path: KeyPath, written: str, data: Any) -> tuple[list[Issue], Any, dict[KeyPath, Mark]]:
    place = place_at(path, data)
    if (
        place is not None
        and place.takes_text
        and not written.startswith(('"', "'") if place.is_text else ('"', "'", "["))
    ):
        is_null = place.is_nullable and written in ("", "null", "~")
        return [], None if is_null else written, {}
    try:
        source, issues = parse(written, OVERRIDE_FILE)
    except SourceError as error:
        return [Issue(path, error.issue.message, "put the whole -s argument in quotes")], None, {}
    return [Issue((*path, *issue.path), issue.message, issue.hint) for issue, _ in issues], source.data, source.marks


def _put(source: Source, path: KeyPath, value: Any) -> Issue | None:
    if source.data is None:
        source.data = {}
    container = source.data
    for depth, key in enumerate(path):
        here, is_last = path[:depth], depth == len(path) - 1
        if isinstance(container, dict):
            if is_last:
                container[key] = value
            elif container.get(key) is None:
                container[key] = {}
            container = container[key]
        elif isinstance(container, list):
            if not key.isdecimal() or len(key) > 9 or int(key) > len(container):
                last = len(container)
                return Issue(path, f"{show(key)} is not a position of this list, expected 0 to {last} ({last} appends)")
            if int(key) == len(container):
                container.append(value if is_last else {})
            elif is_last:
                container[int(key)] = value
            container = container[int(key)]
        else:
            return Issue(path, f"{'.'.join(here)} holds {show(container)} and has no keys")
    return None
