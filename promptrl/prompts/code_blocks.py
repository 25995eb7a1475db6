"""Finds code among the lines of a prompt: fenced, set in, or statements of SQL and Python that stand bare."""

import re
from collections.abc import Iterator, Sequence

from promptrl.prompts.structures import Span

FENCE = re.compile(r"\s*(```+|~~~+)[^`]*$")
LIST_ITEM = re.compile(r"\s*(?:[-*+•‣–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)])\s+\S")
SENTENCE_END = re.compile(r"[a-z)][.!?]\s*$")
_CODE = re.compile(r"[=;{}]|\w\(.*\)|^\s*(?:def|class|return|import|from|if|for|while|print|SELECT|INSERT|UPDATE)\b")
_INDENT = "    "
_SQL = re.compile(r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|WITH|MERGE)\s")
_SQL_CLAUSE = re.compile(
    r"\s*(?:FROM|WHERE|(?:LEFT |RIGHT |INNER |OUTER |FULL |CROSS )*JOIN|ON|AND|OR|GROUP BY|ORDER BY|HAVING|LIMIT|OFFSET"
    r"|UNION|VALUES|SET|RETURNING|SELECT)\b|\s*[()]|\s+\S"
)
_SUITE = re.compile(r"(?:@\w|(?:async )?def \w+\(|class \w+\b[^ ]*:|(?:for|while|if|with|try|else|elif)\b.*:\s*$)")


def fences(lines: Sequence[str], starts: Sequence[int]) -> Iterator[Span]:
    """Where fenced code begins and ends in the text; the arguments are its lines and where each starts."""
    at = 0
    while at < len(lines):
        end = end_of_fence(lines, at)
        if end > at:
            yield starts[at], starts[end - 1] + len(lines[end - 1])
        at = max(end, at + 1)


def end_of_fence(lines: Sequence[str], at: int) -> int:
    """The line after the fenced code that begins here; this very line where none does. One never closed goes on."""
    fence = FENCE.match(lines[at])
    if not fence:
        return at
    end = at + 1
    while end < len(lines) and not lines[end].lstrip().startswith(fence[1]):
        end += 1
    return min(end + 1, len(lines))


def end_of_indented(lines: Sequence[str], at: int) -> int:
    """The line after paragraphs set in, as Markdown marks code; the first must look like it, and none like sentences.

    It is this very line where none begin here.
    """
    end = at
    if at == 0 or lines[at - 1].strip() or not lines[at].strip():
        return at
    while (last := _end_of_paragraph(lines, end)) > end:
        paragraph = [line for line in lines[end:last] if line.strip()]
        is_prose = any(SENTENCE_END.search(line) or LIST_ITEM.match(line) for line in paragraph)
        if is_prose or (end == at and not any(map(_CODE.search, paragraph))):
            break
        end = last
    return end


def end_of_statement(lines: Sequence[str], at: int) -> int:
    """The line after a statement of SQL over several lines, or one of Python with the suite that is set in below it.

    It is this very line where none begins here.
    """
    if _SQL.match(lines[at]):
        return _end_of_sql(lines, at)
    if not _SUITE.match(lines[at]) or (at > 0 and _SUITE.match(lines[at - 1])):
        return at
    end = at + 1
    while end < len(lines) and _SUITE.match(lines[end]):
        end += 1
    body = end
    while end < len(lines) and (_is_set_in(lines[end]) or (end > body and _is_gap_in_suite(lines, end))):
        end += 1
    return end if end > body else at


def _end_of_sql(lines: Sequence[str], at: int) -> int:
    """Behind the semicolon that ends it, or the last line that goes on as SQL does."""
    end = at
    while end < len(lines) and lines[end].strip() and (end == at or _SQL_CLAUSE.match(lines[end])):
        end += 1
        if lines[end - 1].rstrip().endswith(";"):
            break
    return end if end - at > 1 else at


def _is_set_in(line: str) -> bool:
    return bool(line.strip()) and line[0] in " \t"


def _is_gap_in_suite(lines: Sequence[str], at: int) -> bool:
    return not lines[at].strip() and at + 1 < len(lines) and _is_set_in(lines[at + 1])


def _end_of_paragraph(lines: Sequence[str], at: int) -> int:
    """The line after the paragraph that is set in and begins here, or behind the blank lines that begin here."""
    start = at
    while start < len(lines) and not lines[start].strip():
        start += 1
    end = start
    while end < len(lines) and lines[end].strip() and lines[end].startswith((_INDENT, "\t")):
        end += 1
    return end if end > start else at
