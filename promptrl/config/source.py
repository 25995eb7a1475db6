"""Reads YAML to plain data and remembers where each key stands; writes it back.

The dialect is YAML 1.2's: only ``true`` and ``false`` are truth values (``no``, ``off`` and dates are text), ``3e-4``
is a number, ``010`` is not. A key is always text. A key given twice, a tag that builds objects, and data that grows out
of aliases beyond reason are errors.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from promptrl.config.blocks import Issue
from promptrl.safe_text import has_lone_surrogate
from promptrl.yaml12 import BOOL, CORE, FLOAT, INT, NULL, TAG, Loader

MAX_NODES = 50_000
MAX_DEPTH = 60

KeyPath = tuple[str, ...]
"""A key below the keys that hold it; list positions as digits."""


class _Loader(Loader, schema=CORE):
    n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Stop early: PyYAML takes a minute for what fits into 5 MB."""
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_NODES:,} values", mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or our dialect would not read back as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(TAG + "float", FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver(TAG + "int", INT, list("-+0123456789"))


class _LineDumper(_Dumper):
    """Writes lines with escapes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write lines as lines; what YAML 1.1 also takes for a line break needs double quotes to survive."""
    style = '"' if re.search("[\r\x85\u2028\u2029]", text) else "|" if "\n" in text.strip("\n") else None
    return dumper.represent_scalar(TAG + "str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_LineDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar(TAG + "str", text, style='"' if "\n" in text else None)
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a key stands.

    Attributes:
        file: The file; ``-s`` for an override.
        line: 1-based; None in an override.
        written: A scalar as it was written; empty for mappings and lists.
    """

    file: str
    line: int | None
    written: str = ""


@dataclass(slots=True)
class Source:
    """Plain data (mappings, lists, text, numbers, truth values, None) and its marks by path."""

    data: Any = None
    marks: dict[KeyPath, Mark] = field(default_factory=dict)

    def nearest_mark(self, path: KeyPath) -> Mark | None:
        """The mark of a key or, when it is not there, of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if mark := self.marks.get(path[:length]):
                return mark
        return None


class SourceError(Exception):
    """The text is not YAML that can be read at all.

    Args:
        issue: With the path of the key that was being read, if known.
        line: 1-based, if known.
    """

    def __init__(self, issue: Issue, line: int | None = None) -> None:
        super().__init__(issue.message)
        self.issue = issue
        self.line = line


def parse(text: str, file: str) -> tuple[Source, list[tuple[Issue, int]]]:
    """Read one YAML document.

    Returns:
        source: What could be read.
        issues: What could not (keys given twice, unknown tags), each with its line.

    Raises:
        SourceError: It is not YAML, or nests or grows beyond all reason.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SourceError(_syntax_issue(error), mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SourceError(
            Issue((), f"holds a character that YAML does not allow (code {error.character})"), line
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise SourceError(Issue((), "is not YAML that can be read")) from error
    except RecursionError as error:
        raise SourceError(Issue((), "nests too deeply")) from error
    builder = _Builder(file)
    data = builder.build(node, ()) if node is not None else None
    return Source(data, builder.marks), builder.issues


def dump(data: Any) -> str:
    """Write plain data as YAML that ``parse`` and YAML 1.1 readers understand alike."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dump_on_a_line(data: Any) -> str:
    """Write plain data as YAML that may stand behind a key, or within brackets, on its line."""
    text = yaml.dump(
        data, Dumper=_LineDumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=math.inf
    )
    return text.removesuffix("...\n").rstrip("\n")


def _syntax_issue(error: yaml.MarkedYAMLError) -> Issue:
    problem = error.problem or error.context or "unknown fault"
    if "'\\t'" in problem:
        return Issue((), f"is not YAML: {problem}", "indent with spaces, not with tabs")
    if "mapping values are not allowed" in problem:
        return Issue((), f"is not YAML: {problem}", "put a text that contains a colon in quotes")
    return Issue((), f"is not YAML: {problem}")


class _Builder:
    """Turns the node graph of one document into data."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[KeyPath, Mark] = {}
        self.issues: list[tuple[Issue, int]] = []
        self.n_nodes = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise SourceError(Issue(path, f"holds more than {MAX_NODES:,} values once aliases are expanded"), line)
        if len(path) > MAX_DEPTH:
            raise SourceError(Issue(path[:1], f"nests more than {MAX_DEPTH} deep"), line)
        if id(node) in self.open:
            return self._refuse(path, line, "is an alias that contains itself")
        if path:
            written = node.value if isinstance(node, yaml.ScalarNode) else ""
            self.marks.setdefault(path, Mark(self.file, line, written))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (TAG + "map", TAG + "seq"):
            return self._refuse(path, line, f"the YAML tag {node.tag.removeprefix(TAG)} is not supported")
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, str(position))) for position, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        own: list[tuple[str, yaml.Node, int]] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(path, line, "a key must be text")
                continue
            key = self._text(key_node.value, path, line)
            if key in lines:
                self._refuse((*path, key), line, f"is given twice, first in line {lines[key]}")
                continue
            lines[key] = line
            if key_node.tag == TAG + "merge":
                self._merge(value_node, path, merged)
            else:
                own.append((key, value_node, line))
        for key, value_node, line in own:
            written = value_node.value if isinstance(value_node, yaml.ScalarNode) else ""
            self.marks[(*path, key)] = Mark(self.file, line, written)
            merged[key] = self.build(value_node, (*path, key))
        return merged

    def _merge(self, node: yaml.Node, path: KeyPath, merged: dict[str, Any]) -> None:
        """Take over the keys of the mappings behind ``<<``; of several the first wins."""
        line = node.start_mark.line + 1
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self._refuse((*path, "<<"), line, "expected a mapping to merge")
                continue
            content = self.build(source, path)
            for key, value in content.items() if content else ():
                merged.setdefault(key, value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        line, text = node.start_mark.line + 1, node.value
        kind = node.tag.removeprefix(TAG)
        match kind:
            case "str" | "merge":
                return self._text(text, path, line)
            case "null" if NULL.match(text):
                return None
            case "bool" if BOOL.match(text):
                return text.lower() == "true"
            case "int" if INT.match(text) and len(text) < 1000:
                return int(text.replace("_", ""), 0)
            case "float" if (FLOAT.match(text) or INT.match(text)) and math.isfinite(float(text)):
                return float(text)
            case "null" | "bool" | "int" | "float":
                return self._refuse(path, line, f"is no {kind} that can be used")
        return self._refuse(path, line, f"the YAML tag {kind} is not supported")

    def _text(self, text: str, path: KeyPath, line: int) -> str:
        if has_lone_surrogate(text):
            self._refuse(path, line, "holds half of a surrogate pair, which is no character")
            return ""
        return text

    def _refuse(self, path: KeyPath, line: int, message: str) -> None:
        self.issues.append((Issue(path, message), line))
