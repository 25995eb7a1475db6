"""Changes values in the text of a config and leaves the rest as its writer had it, comments and order included.

Only what differs is written anew, where it stands. Where YAML is too clever for that (anchors, merges, text after a
block), the whole is written from its data.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from promptrl.config.source import SourceError, dump, dump_on_a_line, parse

WIDTH = 110
"""A list that makes a longer line is written one item a line."""


@dataclass(frozen=True, slots=True)
class _Splice:
    """What stands in the place of ``text[start:end]``."""

    start: int
    end: int
    text: str


def rewritten(text: str, data: dict[str, Any]) -> str:
    """The text of a config with other data.

    Args:
        text: YAML that can be read.
        data: All that it shall hold; keys that are new stand in their order among the others.

    Raises:
        SourceError: The text is not YAML.
    """
    old, _ = parse(text, "")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return dump(data)
    result = text
    for splice in sorted(_splices(text, node, old.data, data), key=lambda splice: splice.start, reverse=True):
        result = result[: splice.start] + splice.text + result[splice.end :]
    return result if _holds(result, data) else dump(data)


def _holds(text: str, data: dict[str, Any]) -> bool:
    try:
        source, issues = parse(text, "")
    except SourceError:
        return False
    return not issues and bool(source.data == data) and _order(source.data) == _order(data)


def _order(data: Any) -> Any:
    """The keys as they come: the order of slots is that of the prompt."""
    return [(key, _order(value)) for key, value in data.items()] if isinstance(data, dict) else None


def _splices(text: str, node: yaml.MappingNode, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Splice]:
    """What to change so that a mapping holds other values."""
    entries = {key.value: (key, value) for key, value in node.value}
    for key, (name, value) in entries.items():
        if key not in new:
            yield _Splice(_start_of_line(text, name.start_mark.index), _rest_of_line(text, _end(text, value)) + 1, "")
        elif old.get(key) != new[key] or _order(old.get(key)) != _order(new[key]):
            yield from _replaced(text, node, name, value, old.get(key), new[key])
    yield from _inserted(text, node, [key for key in entries if key in new], new)


def _replaced(
    text: str, above: yaml.MappingNode, name: yaml.Node, value: yaml.Node, old: Any, new: Any
) -> Iterator[_Splice]:
    kept = [key for key in new if key in old] if isinstance(old, dict) and isinstance(new, dict) else []
    is_in_order = bool(kept) and kept == [key for key in old if key in new]
    if is_in_order and isinstance(value, yaml.MappingNode) and (not value.flow_style or set(old) == set(new)):
        yield from _splices(text, value, old, new)
        return
    written = f" {dump_on_a_line(new)}" if above.flow_style else _entry(name, new)
    end = _end(text, value)
    yield _Splice(name.end_mark.index, _rest_of_line(text, end) if "\n" in written else end, f":{written}")


def _inserted(text: str, node: yaml.MappingNode, kept: list[str], new: dict[str, Any]) -> Iterator[_Splice]:
    """New keys, each before the kept one that follows it, or behind the last."""
    marks = {key.value: (key, value) for key, value in node.value}
    waiting: list[str] = []
    for key in new:
        if key not in marks:
            waiting.append(key)
        elif waiting:
            name = marks[key][0]
            lines = [f"{word}:{_entry(name, new[word])}\n{' ' * name.start_mark.column}" for word in waiting]
            yield _Splice(name.start_mark.index, name.start_mark.index, "".join(lines))
            waiting = []
    if waiting and kept:
        name, value = marks[kept[-1]]
        end = _end_of_line(text, _end(text, value))
        lines = [f"\n{' ' * name.start_mark.column}{word}:{_entry(name, new[word])}" for word in waiting]
        yield _Splice(end, end, "".join(lines))


def _entry(name: yaml.Node, value: Any) -> str:
    """What stands behind a key and its colon, in a mapping of lines."""
    line = dump_on_a_line(value)
    column = name.start_mark.column
    has_lines = isinstance(value, str) and "\n" in value
    is_deep = isinstance(value, dict) and any(isinstance(inner, list | dict) for inner in value.values())
    if not has_lines and not is_deep and column + len(line) < WIDTH:
        return f" {line}"
    block = dump({"k": value}).removeprefix("k:").rstrip("\n")
    return block.replace("\n", "\n" + " " * column)


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends; the parser's end of a block is where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip())


def _rest_of_line(text: str, end: int) -> int:
    """The end of a value with the comment behind it."""
    found = re.compile(r"[ \t]*(?:#.*)?(?=\n|\Z)").match(text, end)
    return found.end() if found else end


def _start_of_line(text: str, at: int) -> int:
    """Where the line of a key begins, if nothing but blanks stands before it."""
    start = text.rfind("\n", 0, at) + 1
    return at if text[start:at].strip() else start


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
