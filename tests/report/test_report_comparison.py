"""Runs side by side: what a comparison shows, and on which rows two winners differ."""

import re
from dataclasses import replace

from promptrl.report.page import comparison_lines, render_comparison
from promptrl.tasks.dataset import Example
from tests.report.finished_run import HOSTILE, Page, make_record


def test_runs_stand_side_by_side() -> None:
    """The best test score is named, every prompt shown, and nothing is loaded here either."""
    record = make_record()
    other = replace(make_record(HOSTILE), run_id="toy-0002", examples=record.examples)
    html = render_comparison([record, other])
    page = Page(html)
    assert "The highest test score is 50.0\u00a0%, by toy-0001." in page.text
    assert Page(re.sub("<table.*?</table>", "", html, flags=re.DOTALL)).text.count("Add it up.") == 2
    kept = other.result["baseline"] | {"test": None}
    untested = {**other.result, "baseline": kept, "winner": kept, "improvement": {"against": "baseline", "test": None}}
    alone = Page(render_comparison([replace(other, result=untested)] * 2)).text
    assert "No run has a test score." in alone
    assert "On 40 test rows that both answered, toy-0002 scores +0.0 points against toy-0001" in page.text
    assert "script" not in page.tags


def test_a_comparison_has_what_a_report_has() -> None:
    """Curves, edits, interactions, finalists of each run; no two figures share an id."""
    other = replace(make_record(), run_id="toy-0002")
    html = render_comparison([make_record(), other])
    headings = Page(html).text
    for section in (
        "Score against calls",
        "Edits of the prompts that won the finals",
        "Edits on average",
        "Edits together",
        "Finalists",
    ):
        assert section in headings
    assert html.count("<svg") == 2 * (1 + 2 * 4)
    ids = re.findall(r' id="([^"]+)"', html)
    assert ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)


def test_rows_that_tell_two_winners_apart_are_shown() -> None:
    """With both answers, the better and the worse ones apart; rows of another data set are not the same rows."""
    record = make_record()
    answers = [replace(o, score=1.0) if o.row_id == "r30" and o.prompt_id == "b" else o for o in record.outcomes]
    answers = [replace(o, score=0.0) if o.row_id in ("r0", "r1") and o.prompt_id == "b" else o for o in answers]
    other = replace(record, run_id="toy-0002", outcomes=answers)
    text = " ".join(Page(render_comparison([record, other])).text.split())
    (line,) = comparison_lines([record, other])
    assert "toy-0002 scores −2.5 points against toy-0001" in line
    assert "; 1 row better, 2 worse." in line
    assert line.replace("\u00a0", " ") in text
    assert "Rows on which toy-0001 and toy-0002 differ" in text
    assert "30? plainly wrong" in text
    foreign = {row: Example(row, {"question": "Something else"}, "1", {}) for row in record.examples}
    assert comparison_lines([record, replace(other, examples=foreign)]) == []
    gone = replace(other, examples={})
    assert len(comparison_lines([record, gone])) == 1
    assert comparison_lines([record, replace(gone, info={"data_hash": "other"})]) == []
