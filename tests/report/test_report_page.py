"""A report needs nothing else, and any text in it, hostile or long, stays text."""

import re
from dataclasses import replace
from functools import cache
from xml.etree import ElementTree

from promptrl.report.page import Report, render_report
from tests.report.finished_run import HOSTILE, Page, make_record, named


@cache
def hostile_report() -> Report:
    """Of a run whose every text tries to break out."""
    return render_report(make_record(HOSTILE))


def test_hostile_text_stays_text() -> None:
    """In completions, questions, prompts, edits and the config: no tag, no control character, nothing evaluated."""
    page = Page(hostile_report().html)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search(r"[\x00-\x08\x1b]", page.text)


def test_the_page_loads_nothing() -> None:
    """Every address in it is inside the page, and a policy forbids all others."""
    page = Page(hostile_report().html)
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "action")]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert any("default-src 'none'" in value for _, value in page.attributes)
    assert not re.search(r"url\((?!#)|@import", hostile_report().html)


def test_figures_are_whole_svg_files_and_inline_twice() -> None:
    """Each parses on its own; in the page it is there for wide and for narrow screens, in the page's colours."""
    report = hostile_report()
    assert set(report.figures) == {"curve", "winner", "effects", "interactions"}
    for svg in report.figures.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own file
    assert report.html.count("<svg") == 2 * len(report.figures)
    inline = report.html[report.html.index("<svg") : report.html.rindex("</svg>")]
    assert "var(--good)" in inline
    ids = re.findall(r' id="([^"]+)"', inline)
    assert len(ids) == len(set(ids))


def test_any_script_can_be_drawn() -> None:
    """The fonts of the reader draw it, so that ours lack it is no matter; no warning reaches a user."""
    report = render_report(make_record("数字だけで答えてください 🎉 أجب"))
    assert "数字だけで答えてください" in report.figures["winner"]


def test_a_label_without_blanks_is_cut_in_the_middle() -> None:
    """A language without blanks, or one long word, still says which edit it is."""
    long = "数字だけで答えてください" * 6
    record = make_record(long)
    pairs = [{**record.attribution["interactions"][0], "first": named(long)}]
    report = render_report(replace(record, attribution={**record.attribution, "interactions": pairs}))
    assert re.search(r">数字だけで答えてください\w{0,12}… +1<", report.figures["interactions"])
    assert re.search(r">数字だけで答えてください\w{0,12}…<", report.figures["winner"])


def test_the_same_run_gives_the_same_report() -> None:
    """No clock, no random ids."""
    assert render_report(make_record(HOSTILE)) == hostile_report()


def test_two_edits_with_one_label_have_places_of_their_own() -> None:
    """The labels are cut, or two slots offer the same text."""
    record = make_record()
    twins = [named("Be brief.", slot) for slot in ("role", "format")]
    pair = {"strength": 0.2, "low": 0.1, "high": 0.3, "answers": 9, "first": twins[0], "second": twins[1]}
    attention = [twin | {"early": 0.2, "late": 0.8} for twin in twins]
    attribution = {**record.attribution, "interactions": [pair], "attention": attention}
    drawn = Page(render_report(replace(record, attribution=attribution)).figures["interactions"]).text
    assert [line.strip() for line in drawn.splitlines() if "Be brief." in line] == ["Be brief.  1", "Be brief.  2"]


def test_long_texts_are_cut() -> None:
    """Megabytes of completions, prompts and config make a page below 2 MB that says what it left out."""
    record = make_record("x" * 200_000)
    html = render_report(record).html
    assert len(html.encode()) < 2_000_000
    assert "characters more)" in html


def test_the_summary_is_markdown_that_hostile_text_cant_break() -> None:
    """A table stays a table."""
    summary = render_report(make_record(HOSTILE + " | a\n# b")).summary
    assert summary.startswith("# toy-0001: improved")
    assert "| yours | 10.0 % (0.0 to 20.0), 30 rows | 5.0 % (0.0 to 15.0), 40 rows | 10.0 |" in summary
    rows = [line for line in summary.splitlines() if "alert" in line]
    assert rows
    assert all(line.startswith("|") and "<script>" not in line for line in rows)


def test_every_metric_that_has_a_reason_is_heard() -> None:
    """The one that counts first, without its name; the others by theirs."""
    record = make_record()
    outcomes = [replace(one, reasons={"judge": one.reason, "length": "too <long>"}) for one in record.outcomes]
    page = Page(render_report(replace(record, outcomes=outcomes)).html)
    assert "because" in page.text
    assert "length: too <long>" in page.text
    assert "judge: because" not in page.text
