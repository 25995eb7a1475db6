"""What stands in a report: the verdict first, then everything that a reader needs to judge it."""

import re
from dataclasses import replace

import pytest

from promptrl.report.page import render_report
from tests.report.finished_run import Page, make_record, named


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


@pytest.mark.parametrize("given", [{}, {"metrics.good": "good"}], ids=["by name", "handed over"])
def test_a_report_names_no_command_that_can_not_work(given: dict[str, str]) -> None:
    """What a program handed over it must hand over again; a run that names its functions says where they are."""
    record = make_record()
    info = {**record.info, "config": "/home/me/a.yaml", "given": given}
    settings = {**record.settings, "target": {"type": "python", "function": "answers:ask"}}
    text = Page(render_report(replace(record, info=info, settings=settings)).html).text
    assert "promptrl export" in text
    assert ("promptrl train" in text) is ("promptrl eval" in text) is ("PYTHONPATH=/home/me" in text) is (not given)
    assert ("hand them to promptrl.evaluate" in text) is bool(given)


def test_the_code_of_a_judge_is_where_the_config_lies() -> None:
    """Its function is looked for there as the target's is."""
    record = make_record()
    judge = {"type": "judge", "judge": {"type": "python", "function": "ask:judge"}}
    settings = {**record.settings, "reward": {"metrics": [judge]}}
    info = {**record.info, "config": "/home/me/a.yaml"}
    text = Page(render_report(replace(record, info=info, settings=settings)).html).text
    assert "PYTHONPATH=/home/me" in text


def test_the_agents_own_view_is_shown_and_what_it_lacks_is_said() -> None:
    """Action by action with probabilities; an episode that was cut, and an agent without probabilities."""
    record = make_record("an edit")
    text = " ".join(Page(render_report(record).html).text.split())
    assert "1an edit75.0 %5.0 % 2stop90.0 %90.0 %an edit 7.0 %" in text
    assert "ended before it stopped" not in text
    taken = {"taken": record.attribution["policy"][0]["taken"], "probability": None, "stop": None, "others": []}
    cut = replace(record, attribution={**record.attribution, "policy": [taken]})
    text = " ".join(Page(render_report(cut).html).text.split())
    assert "The episode ended before it stopped by itself" in text
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


def test_what_was_pruned_is_not_said_to_be_in_the_new_prompt() -> None:
    """It was in the prompt that won the finals, where its worth was measured."""
    record = make_record()
    idle = named("Take care.") | {"effect": 0.0, "low": -0.1, "high": 0.1, "rows": 30, "tokens": 5, "is_pruned": True}
    attribution = {**record.attribution, "winner": [*record.attribution["winner"], idle]}
    report = render_report(replace(record, attribution=attribution))
    assert "What was pruned did nothing there, and is not in the new prompt." in " ".join(
        Page(report.html).text.split()
    )
    assert "pruned: Take care." in report.figures["winner"]
    head = "| edit of the prompt that won the finals | points lost without it | 90 % interval | in the new prompt |"
    assert head in report.summary
    assert "| Take care. | +0.0 | −10.0 to +10.0 | pruned |" in report.summary
    assert "| plainly wrong | +30.0 | +10.0 to +50.0 | yes |" in report.summary


def test_scores_stand_with_their_rows_and_the_winner_is_marked() -> None:
    """The finals may compare on other rows than those that the score of the new prompt rests on."""
    text = " ".join(Page(render_report(make_record()).html).text.split())
    assert "60.0 % 50.0 to 70.0 30 rows" in text.replace("\u00a0", " ")
    assert "1 won" in text
    assert "2 won" not in text


def test_a_label_is_never_cut_otherwise_in_the_summary() -> None:
    """Page, summary and terminal name an edit in full, as ``edit_label`` does."""
    record, long = make_record(), "Read the question twice before you answer it, and look at each number again."
    cut = named(long) | {"edit": 'role = "Read the question twice…"'}
    worth = cut | {"effect": 0.3, "low": 0.1, "high": 0.5, "rows": 30, "tokens": 5, "is_pruned": False}
    average = cut | {"effect": 0.1, "low": 0.02, "high": 0.2, "answers": 40}
    attribution = {**record.attribution, "winner": [worth], "effects": [average]}
    assert render_report(replace(record, attribution=attribution)).summary.count(f"| {long} |") == 2


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
    assert "40 rows, look number 3 at them" in Page(render_report(again).html).text
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


def test_one_row_is_not_told_as_several() -> None:
    """Of one that was fixed, and one that stayed."""
    record = make_record()
    test = [o for o in record.outcomes if o.purpose == "test"]
    scores = {(o.prompt_id, o.row_id): o.score for o in test}
    rows = {o.row_id for o in test}
    fixed = sorted(row for row in rows if scores["b", row] > scores["a", row])[:1]
    kept = sorted(row for row in rows if scores["b", row] == scores["a", row])[:1]
    outcomes = [o for o in record.outcomes if o.purpose != "test" or o.row_id in (*fixed, *kept)]
    text = Page(render_report(replace(record, outcomes=outcomes)).html).text
    assert "1 was fixed, 0 broke, and 1 stayed as it was." in text


def test_repeated_answers_to_a_row_count_once() -> None:
    """A row that was asked twice is one row."""
    record = make_record()
    again = [replace(o, repeat=1) for o in record.outcomes if o.purpose == "test"]
    text = Page(render_report(replace(record, outcomes=[*record.outcomes, *again])).html).text
    assert "Of 40 test rows 20 were fixed" in text


def test_near_equal_finalists_are_told_apart() -> None:
    """However long the text before the place where they differ; what is the same is left out, what differs marked."""
    record = make_record()
    start, end = "Read the whole message first. " * 40, " Then answer in one word." * 40
    texts = {"yours": start + "Be kind." + end, "a": start + "Be brief." + end, "b": start + "Be exact." + end}
    record.result["baseline"]["text"] = texts["yours"]
    board = [
        {**record.leaderboard[0], "prompt_id": name, "is_baseline": name == "yours", "text": text}
        for name, text in texts.items()
    ]
    html = render_report(replace(record, leaderboard=board)).html
    yours, *others = re.findall(r'<td class="prompt">(.*?)</td>', html, re.DOTALL)
    assert "characters more" in yours
    for cell, word in zip(others, ("brief.", "exact."), strict=True):
        assert len(cell) < 400
        assert re.sub(r"\s", "", cell).count(f"<del>kind.</del><ins>{word}</ins>") == 1
