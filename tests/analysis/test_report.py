"""What stands in a report, that it needs nothing else, and that hostile text stays text."""

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from promptrl.analysis.record import RunRecord
from promptrl.analysis.report import Report, meeting_lines, render_comparison, render_report
from promptrl.evaluation import Outcome
from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example

HOSTILE = (
    "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> {{ 7 * 7 }} $x^2$ \x1b[31m\x00"
)


def standing(prompt_id: str, text: str, validation: float, test: float) -> dict[str, Any]:
    """One prompt's entry in result.json."""

    def split(score: float, rows: int) -> dict[str, Any]:
        return {
            "score": score,
            "low": max(0, score - 0.1),
            "high": min(1, score + 0.1),
            "rows": rows,
            "objective": score,
        }

    messages = [{"role": "system", "content": text}, {"role": "user", "content": "{question}"}]
    whole = f"[system]\n{text}\n\n[user]\n{{question}}"
    return {
        "prompt_id": prompt_id,
        "text": whole,
        "messages": messages,
        "validation": split(validation, 30),
        "test": split(test, 40),
    }


def named(text: str, slot: str = "role") -> dict[str, Any]:
    """An edit as attribution.json names it."""
    return {"edit": f'{slot} = "{text}"', "slot": slot, "text": text}


def make_record(hostile: str = "plainly wrong", verdict: str = "improved") -> RunRecord:
    """A finished run whose winner fixes 20 of 40 test rows and breaks 2; the texts are the model's own."""
    outcomes = [outcome("a" if i % 2 else "b", f"t{i}", "search", float(i % 3 == 0), hostile) for i in range(90)]
    for i in range(40):
        outcomes.append(outcome("a", f"r{i}", "test", float(i >= 38), hostile))
        outcomes.append(outcome("b", f"r{i}", "test", float(i < 20), "42"))
    effects = [named(f"Do {hostile}") | {"effect": 0.1, "low": 0.02, "high": 0.2, "answers": 40}]
    pairs = [
        {"strength": 0.2, "low": 0.1, "high": 0.3, "answers": 9, "first": named(hostile), "second": named("b", "t")}
    ]
    return RunRecord(
        run_id="toy-0001",
        info={"started": "2026-01-02T03:04:05", "data_hash": "abc", "versions": {"promptrl": "0.1.0"}},
        result={
            "verdict": verdict,
            "baseline": standing("a", "Add it up.", 0.1, 0.05),
            "winner": standing("b", f"Add it up. {hostile}", 0.6, 0.5),
            "improvement": {
                "against": "baseline",
                "test": {"score": 0.45, "low": 0.28, "high": 0.6, "p_value": 1e-5, "rows": 40, "method": "exact"},
            },
            "calls": {"total": 240, "paid": 200, "cached": 40, "search": 90, "validation": 70, "test": 80}
            | {"judge": 0, "proposer": 0},
            "tokens": {"prompt": 1000, "completion": 500},
            "cost_usd": None,
            "wall_s": 75.0,
            "seed": 3,
            "stop_reason": "budget",
        },
        attribution={
            "confidence": 0.9,
            "uniform_answers": 90,
            "effects": effects,
            "winner": [
                named(hostile) | {"effect": 0.3, "low": 0.1, "high": 0.5, "rows": 30, "tokens": 5, "is_pruned": False}
            ],
            "pruning": {
                "tokens_before": 30.0,
                "tokens_after": 20.0,
                "change": {"score": 0.0, "low": -0.05, "high": 0.05, "rows": 30},
            },
            "interactions": pairs,
            "depth": {"early": 1.2, "late": 3.4},
            "attention": [named(hostile) | {"early": 0.2, "late": 0.8}],
            "policy": [
                {"taken": named(hostile), "probability": 0.75, "stop": 0.05, "others": []},
                {
                    "taken": {"edit": "stop", "slot": "", "text": ""},
                    "probability": 0.9,
                    "stop": 0.9,
                    "others": [named(hostile) | {"probability": 0.07}],
                },
            ],
        },
        leaderboard=[
            {
                "prompt_id": "b",
                "score": 0.6,
                "rows": 30,
                "difference": 0.5,
                "sd": 0.1,
                "is_baseline": False,
                "text": hostile,
            },
            {
                "prompt_id": "a",
                "score": None,
                "rows": 0,
                "difference": None,
                "sd": None,
                "is_baseline": True,
                "text": "x",
            },
        ],
        outcomes=outcomes,
        config_text=f"name: toy # {hostile}",
        settings={"gate": {"min_improvement": 0.0, "margin": 0.02}},
        examples={f"r{i}": Example(f"r{i}", {"question": f"{i}? {hostile}"}, "42", {}) for i in range(40)},
    )


def outcome(prompt: str, row: str, purpose: Any, score: float, text: str) -> Outcome:
    """One answer."""
    return Outcome(prompt, row, 0, purpose, Completion(text, prompt_tokens=10), {}, score, score, f"because {text}")


@cache
def hostile_report() -> Report:
    """Of a run whose every text tries to break out."""
    return render_report(make_record(HOSTILE))


class Page(HTMLParser):
    """What a browser would make of a page: its tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += data


def test_the_verdict_comes_first_in_one_sentence() -> None:
    """Then interval, flips and everything else that a reader looks for."""
    text = " ".join(Page(render_report(make_record()).html).text.split())
    heading = "The new prompt is better: it scores 50.0 % instead of 5.0 % on 40 test rows that the search never saw."
    assert heading in text
    assert "+45.0 points, 95 % interval +28.0 to +60.0, p < 0.0001. 20 rows fixed, 2 broken." in text
    for section in (
        "The prompt, before and after",
        "Scores",
        "What the edits do",
        "Edits together",
        "Rows that changed",
    ):
        assert section in text
    assert "by 1.2 edits on average in the first third, by 3.4 in the last" in text
    for section in ("Finalists", "Cost, tokens, time", "How this was measured", "How to do it again"):
        assert section in text


def test_the_agents_own_view_is_shown_and_what_it_lacks_is_said() -> None:
    """Action by action with probabilities; an episode that was cut, and an agent without probabilities."""
    record = make_record("an edit")
    text = " ".join(Page(render_report(record).html).text.split())
    assert "1an edit75.0 %5.0 % 2stop90.0 %90.0 %an edit 7.0 %" in text
    assert "ended before it stopped" not in text
    taken = {"taken": record.attribution["policy"][0]["taken"], "probability": None, "stop": None, "others": []}
    cut = replace(record, attribution={**record.attribution, "policy": [taken]})
    text = " ".join(Page(render_report(cut).html).text.split())
    assert "The episode ended before it stopped by itself." in text
    assert "1an edit––" in text
    assert "the probability that its network gives" not in text


@pytest.mark.parametrize(
    ("verdict", "beginning"),
    [
        ("worse", "The new prompt is worse:"),
        ("same", "The new prompt is as good as yours, no better:"),
        ("inconclusive", "Not proven:"),
    ],
)
def test_no_verdict_is_dressed_up(verdict: str, beginning: str) -> None:
    """Only "improved" reads like a success."""
    report = render_report(make_record(verdict=verdict))
    assert beginning in Page(report.html).text
    assert beginning in report.summary


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


def test_a_conversation_is_compared_message_by_message() -> None:
    """What a demonstration says in the words of the user template is new; the template is the same as before."""
    record = make_record()
    asked = [("user", "Sum of {a}?"), ("assistant", "Noted."), ("user", "And {b}?")]
    shown = [("user", "Sum of 1?"), ("assistant", "Noted."), ("user", "And 2?"), ("assistant", "3")]
    for label, turns in (("baseline", asked), ("winner", [*shown, *asked])):
        record.result[label]["messages"] = [{"role": role, "content": content} for role, content in turns]
    html = render_report(record).html
    messages = re.findall(r'<h3>(user|assistant)</h3><div class="verbatim">(.*?)</div>', html, re.DOTALL)
    assert [role for role, _ in messages] == [role for role, _ in [*shown, *asked]]
    assert ["<ins>" in text for _, text in messages] == [True] * 4 + [False] * 3
    assert not any("<del>" in text for _, text in messages)


def test_long_texts_are_cut() -> None:
    """Megabytes of completions, prompts and config make a page below 2 MB that says what it left out."""
    record = make_record("x" * 200_000)
    html = render_report(record).html
    assert len(html.encode()) < 2_000_000
    assert "characters more)" in html


def test_a_run_without_a_challenger_says_so() -> None:
    """The winner is the baseline: no test, no diff, no flips."""
    record = make_record(verdict="same")
    kept = record.result["baseline"] | {"test": None}
    result = {**record.result, "baseline": kept, "winner": kept, "improvement": {"against": "baseline", "test": None}}
    bare = replace(record, result=result, attribution={}, outcomes=record.outcomes[:5], examples={}, leaderboard=())
    report = render_report(bare)
    assert "Nothing beat your prompt: keep it." in Page(report.html).text
    assert "Nothing beat your prompt: keep it." in report.summary
    assert report.figures == {}


def test_what_could_not_be_said_of_edits_is_said() -> None:
    """In the page and in the summary, with where the search looked all the same."""
    record = make_record()
    notes = {"effects_note": "No average effects: too few.", "pruning_note": "Nothing was pruned: too few."}
    attribution = {**record.attribution, **notes, "effects": [], "winner": [], "pruning": None}
    report = render_report(replace(record, attribution=attribution))
    text = Page(report.html).text
    for note in notes.values():
        assert note in text
        assert note in report.summary
    assert "Where the search looked" in text
    assert "Nothing was pruned" not in Page(render_report(record).html).text


def test_without_the_data_set_flips_are_named_by_row() -> None:
    """The completions are in the run folder all the same."""
    record = replace(make_record(), examples={}, notes=["The data set is gone."])
    text = Page(render_report(record).html).text
    assert "row r0" in text
    assert "plainly wrong" in text
    assert "The data set is gone." in text


def test_the_summary_is_markdown_that_hostile_text_cant_break() -> None:
    """A table stays a table."""
    summary = render_report(make_record(HOSTILE + " | a\n# b")).summary
    assert summary.startswith("# toy-0001: improved")
    assert "| yours | 10.0 % (0.0 to 20.0) | 5.0 % (0.0 to 15.0) | 10.0 |" in summary
    rows = [line for line in summary.splitlines() if "alert" in line]
    assert rows
    assert all(line.startswith("|") and "<script>" not in line for line in rows)


def test_runs_stand_side_by_side() -> None:
    """The best test score is named, every prompt shown, and nothing is loaded here either."""
    record = make_record()
    other = replace(make_record(HOSTILE), run_id="toy-0002", examples=record.examples)
    page = Page(render_comparison([record, other]))
    assert "The highest test score is 50.0\u00a0%, by toy-0001." in page.text
    assert page.text.count("Add it up.") == 2
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
        "Edits in the new prompts",
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
    (line,) = meeting_lines([record, other])
    assert "toy-0002 scores −2.5 points against toy-0001" in line
    assert "; 1 row better, 2 worse." in line
    assert line.replace("\u00a0", " ") in text
    assert "Rows on which toy-0001 and toy-0002 differ" in text
    assert "30? plainly wrong" in text
    foreign = {row: Example(row, {"question": "Something else"}, "1", {}) for row in record.examples}
    assert meeting_lines([record, replace(other, examples=foreign)]) == []
    gone = replace(other, examples={})
    assert len(meeting_lines([record, gone])) == 1
    assert meeting_lines([record, replace(gone, info={"data_hash": "other"})]) == []


def test_more_than_three_flips_fold_up() -> None:
    """A phone would scroll for ever; two broken rows stand open, and three of the fixed ones do."""
    page = Page(render_report(make_record()).html)
    assert page.text.count("3 more") == 1
    assert "20 rows fixed" in " ".join(page.text.split())


def test_later_looks_and_early_stops_are_told() -> None:
    """In the protocol; a first look on all rows needs no caution."""
    record = make_record()
    assert "look number" not in Page(render_report(record).html).text
    again = replace(record, info={**record.info, "look": 3})
    assert "look number 3 at these test rows" in Page(render_report(again).html).text
    measured = {**record.result["improvement"]["test"], "sequential": {"looks": 4, "planned_rows": 90}}
    early = {**record.result, "improvement": {"against": "baseline", "test": measured}}
    assert "flatters the side that is ahead" in Page(render_report(replace(record, result=early)).html).text


def test_folds_count_the_answers_of_each_winner() -> None:
    """Judged fold by fold, a row belongs to the winner whose search had not seen it; the page says how that went."""
    record = make_record()
    folds = [{"prompt_id": name, "rows": 20, "difference": 0.4} for name in ("b", "c")]
    result = {**record.result, "improvement": {**record.result["improvement"], "folds": folds}}
    outcomes = [replace(o, prompt_id="c") if o.row_id == "r0" and o.prompt_id == "b" else o for o in record.outcomes]
    text = Page(render_report(replace(record, result=result, outcomes=outcomes)).html).text
    assert "Of 40 test rows 20 were fixed, 2 broke, and 18 stayed as they were." in text
    assert "the whole of this was done 2 times" in text


def test_repeated_answers_to_a_row_count_once() -> None:
    """A row that was asked twice is one row."""
    record = make_record()
    again = [replace(o, repeat=1) for o in record.outcomes if o.purpose == "test"]
    text = Page(render_report(replace(record, outcomes=[*record.outcomes, *again])).html).text
    assert "Of 40 test rows 20 were fixed" in text
