"""Finds worked examples among the lines of a prompt: ``Q:`` with its ``A:``, records of equal labels, "Example 1"."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from promptrl.prompts.code_blocks import LIST_ITEM, end_of_fence

_LABEL = re.compile(
    r"[ \t]*(?:[-*•]\s+)?(?P<marks>[*_]{0,2})(?P<name>[^\W\d_](?:[\w/-]| (?=[^\W\d])){0,30})(?: ?#?\d{1,3})?"
    r"(?:(?P=marks)\s?[:：]|[:：](?P=marks))(?:\s+(?P<value>\S.*))?\s*$"
)
_HEADER = re.compile(
    r"\s*(?:#{1,6}\s+)?[*_]{0,2}(?:example|sample|beispiel|exemple|ejemplo|esempio|voorbeeld|exemplo)"
    r"(?P<number>\s*(?:#|no\.?\s?|nr\.?\s?)?\d{1,3})?[*_]{0,2}\s*(?P<colon>[:.)：])?[*_]{0,2}(?P<value>\s+\S.*)?\s*$",
    re.IGNORECASE,
)
_ANSWERS: Mapping[str, frozenset[str]] = {
    question: frozenset(answers.split())
    for questions, answers in {
        "q question frage pregunta domanda vraag ": "a answer antwort réponse respuesta risposta antwoord",
        "input eingabe entrée entrada in": "output ausgabe sortie salida out",
        "user human customer nutzer kunde": "assistant ai bot agent assistent",
        "prompt query problem": "response completion answer solution",
    }.items()
    for question in questions.split()
}
_ENDS = re.compile(rf"\s*</|{_HEADER.pattern}", re.IGNORECASE)
_BEGINS_STRUCTURE = ("{", "[", "```", "~~~")
_PLACEHOLDER = re.compile(r"\{[^\W\d]\w*\}")

_Labels = Sequence[re.Match[str] | None]


def sample_ends(lines: Sequence[str]) -> dict[int, int]:
    """For each line that a worked example begins in, the line after its end.

    A pair counts by itself where its labels are known (``Q:`` and ``A:``, ``Input:`` and ``Output:``), a record of
    other labels where one with the same labels stands elsewhere. What is asked now, a placeholder, is no example.
    """
    labels = [_LABEL.match(line) for line in lines]
    records = _records(lines, labels)
    counts = Counter(_names(labels, at, end) for at, end in records.items())
    ends: dict[int, int] = {}
    at = 0
    while at < len(lines):
        end = _end_of_pair(lines, labels, at)
        if at in records and counts[_names(labels, at, records[at])] > 1:
            end = max(end, records[at])
        ends |= {at: end} if end else {}
        at = max(end, at + 1)
    return ends | _headed(lines, labels, ends)


def _headed(lines: Sequence[str], labels: _Labels, ends: Mapping[int, int]) -> dict[int, int]:
    """The same for "Example 1", with the worked example below it, or else with the lines below it."""
    found = {}
    for at, line in enumerate(lines):
        header = _HEADER.match(line)
        if not header or not (header["number"] or header["colon"]) or (header["value"] and not header["colon"]):
            continue
        below = _skip_blanks(lines, at + 1)
        if below in ends and not header["value"] and (header["number"] or below == at + 1):
            found[at] = ends[below]
        elif header["number"]:
            end = _end_of_value(lines, labels, at + 1) if header["value"] else _end_of_body(lines, labels, at + 1)
            found |= {at: end} if end > at + 1 or header["value"] else {}
    return found


def _end_of_pair(lines: Sequence[str], labels: _Labels, at: int) -> int:
    """Behind the answer to the question that begins here; 0 where none begins or none is answered."""
    wanted = _ANSWERS.get(_name(labels, at))
    if wanted is None:
        return 0
    is_alone = not _value(labels, at)
    end = _skip_blanks(lines, _end_of_lines(lines, labels, _skip_blanks(lines, at + 1) if is_alone else at + 1))
    if _name(labels, end) not in wanted or _PLACEHOLDER.search("".join(lines[at:end])):
        return 0
    if _value(labels, end):
        return _end_of_value(lines, labels, end + 1)
    first = _skip_blanks(lines, end + 1) if is_alone else end + 1
    last = _end_of_body(lines, labels, first)
    return last if last > first else 0


def _end_of_body(lines: Sequence[str], labels: _Labels, at: int) -> int:
    """Behind the code or the template that begins here, or else the paragraph."""
    if at < len(lines) and lines[at].lstrip().startswith(_BEGINS_STRUCTURE):
        return max(end_of_fence(lines, at), at + 1)
    return _end_of_lines(lines, labels, at)


def _end_of_lines(lines: Sequence[str], labels: _Labels, at: int) -> int:
    """Behind the paragraph, code within it whole, or before the next label, header or closing tag."""
    while at < len(lines) and lines[at].strip() and not (labels[at] or _ENDS.match(lines[at])):
        at = max(end_of_fence(lines, at), at + 1)
    return at


def _end_of_value(lines: Sequence[str], labels: _Labels, end: int) -> int:
    """Behind the lines that go on with what stands behind a label: no sentence that begins, no further question."""
    while end < len(lines) and lines[end].strip() and _name(labels, end) not in _ANSWERS:
        before, line = lines[end - 1], lines[end]
        is_led = before.rstrip().endswith((":", ",")) or bool(LIST_ITEM.match(before))
        goes_on = line[0].islower() or line[0] in " \t" or (is_led and LIST_ITEM.match(line))
        if _HEADER.match(line) or not (labels[end] or goes_on):
            break
        end += 1
    return end


def _records(lines: Sequence[str], labels: _Labels) -> dict[int, int]:
    """Where lines of two different labels or more begin and end, something behind each, with no blank line within."""
    found = {}
    at = 0
    while at < len(lines):
        end = at + 1
        while _value(labels, at) and _value(labels, end) and _name(labels, end) != _name(labels, at):
            end += 1
        if end > at + 1:
            found[at] = end
        at = end
    return found


def _names(labels: _Labels, at: int, end: int) -> tuple[str, ...]:
    return tuple(_name(labels, line) for line in range(at, end))


def _name(labels: _Labels, at: int) -> str:
    """The label of a line in lower case, empty where it has none."""
    label = labels[at] if at < len(labels) else None
    return label["name"].rstrip("0123456789").casefold() if label else ""


def _value(labels: _Labels, at: int) -> str:
    label = labels[at] if at < len(labels) else None
    return label["value"] or "" if label else ""


def _skip_blanks(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at
