"""A report shows what attribution.json says: every edit by what it does, every number as it was measured."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl.report.figures import MAX_EFFECTS
from promptrl.report.numbers import between, percent, plain, points
from promptrl.report.page import MAX_PAIRS_SHOWN
from promptrl.safe_text import printable
from tests.commandline import promptrl
from tests.report.finished_run import Page
from tests.servers.toy_model import CONFIG, write_experiment

SLOTS = CONFIG[CONFIG.index("  slots:") : CONFIG.index("edits:")]
TEXT = '  text: "You are a pirate. Add the numbers. Be chatty. Reply with digits only."\n'
LABEL = re.compile(r"(.+) \d+")
"""An edit beside the interaction map, and its number there."""
FEWER = CONFIG.replace("max_calls: 900", "max_calls: 700")
RUNS = {
    "text": FEWER.replace(SLOTS, TEXT),
    "bank": FEWER.replace(SLOTS, TEXT).replace("bank: none", "bank: builtin"),
    "demonstrations": FEWER.replace("edits:", "  demonstrations: {max: 2, candidates: 3}\nedits:"),
}


@pytest.fixture(scope="module", params=list(RUNS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run whose edits are sentences to drop, options of the bank, or solved examples."""
    folder = tmp_path_factory.mktemp(request.param)
    done = promptrl("train", write_experiment(folder, RUNS[request.param]), "--runs-dir", folder / "runs")
    assert done.exit_code == 0, done.stderr
    return folder / "runs/toy-0001"


def attribution(run: Path) -> dict[str, Any]:
    """What the run says of its edits."""
    found: dict[str, Any] = json.loads((run / "attribution.json").read_text())
    return found


def shown(edit: Mapping[str, Any]) -> str:
    """The words by which people know an edit: those of its label, but of an option its text alone."""
    kind, text = edit["edit"].partition(" ")[0], " ".join(edit["text"].split())
    if edit["edit"].startswith(edit["slot"] + " = "):
        return text or edit["slot"] + ": left out"
    return f'{kind} "{text}"' if kind in ("drop", "restore") and edit["slot"] != "demonstrations" else edit["edit"]


def cut(text: str, length: int) -> str:
    """The text as a narrow cell shows it."""
    return " ".join(printable(text, length).split())


def signed(difference: float) -> str:
    """A difference in points, in ordinary characters."""
    return plain(points(difference))


def drawn(run: Path, name: str) -> list[str]:
    """The texts of a figure."""
    svg = (run / f"plots/{name}.svg").read_text()
    return [" ".join(text.split()) for text in Page(svg).text.splitlines() if text.strip()]


def table_rows(run: Path, head: str) -> Iterator[list[str]]:
    """The cells of the page's table whose head has these words."""
    page = (run / "report.html").read_text()
    table = "".join(part for part in re.findall(r"<table>.*?</table>", page, re.DOTALL) if head in part)
    for row in re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL):
        yield [plain(" ".join(Page(cell).text.split())) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]


def test_tables_say_what_was_measured(run: Path) -> None:
    """Where the search looked, and what the agent did, row by row."""
    said = attribution(run)
    looked = [[e["slot"], shown(e), f"{100 * e['early']:.0f} %", f"{100 * e['late']:.0f} %"] for e in said["attention"]]
    rows = list(table_rows(run, "<th>Slot</th>"))
    assert [row[:2] for row in rows] == [row[:2] for row in looked]
    for row, edit in zip(rows, said["attention"], strict=True):
        shares = [int(cell.removesuffix(" %")) for cell in row[2:]]
        assert shares == pytest.approx([100 * edit["early"], 100 * edit["late"]], abs=0.5)
    steps = [
        [
            shown(step["taken"]),
            plain(percent(step["probability"])),
            plain(percent(step["stop"])),
            "; ".join(f"{cut(shown(other), 160)} {plain(percent(other['probability']))}" for other in step["others"]),
        ]
        for step in said["policy"]
    ]
    assert [row[1:] for row in table_rows(run, "<th>Action</th>")] == steps


def test_pairs_are_told_as_they_were_read(run: Path) -> None:
    """Both edits, by what they do, and the strength with its interval; the figure knows the same edits."""
    said = attribution(run)["interactions"]
    sure = [pair for pair in said if pair["low"] > 0 or pair["high"] < 0][:MAX_PAIRS_SHOWN]
    told = [
        [
            shown(pair["first"]),
            shown(pair["second"]),
            f"{signed(pair['strength'])} {plain(between(pair, is_signed=True))}",
        ]
        for pair in sure
    ]
    assert list(table_rows(run, "<th>Edit</th><th>with</th>")) == told
    known = [shown(edit) for pair in said for edit in (pair["first"], pair["second"])]
    labels = [found[1] for text in (drawn(run, "interactions") if said else ()) if (found := LABEL.fullmatch(text))]
    assert [label for label in labels if not any(edit.startswith(label.rstrip("…")) for edit in known)] == []
    assert bool(labels) == bool(said)


def test_sentences_say_what_was_measured(run: Path) -> None:
    """How many answers the effects rest on, how far the search went from the baseline, what was pruned."""
    said = attribution(run)
    page = plain(" ".join(Page((run / "report.html").read_text()).text.split()))
    if said["effects"]:
        assert f"from {said['uniform_answers']} answers to prompts drawn at random" in page
    depth = said["depth"]
    assert f"by {depth['early']:.1f} edits on average in the first third, by {depth['late']:.1f} in the last" in page
    for note in ("effects_note", "pruning_note"):
        assert said[note] is None or said[note] in page
    assert ("undone before the test" in page) == (said["pruning"] is not None)
    if said["pruning"]:
        before, after = (round(said["pruning"][name]) for name in ("tokens_before", "tokens_after"))
        change = said["pruning"]["change"]
        assert f"about {before} → {after} tokens. On {change['rows']} validation rows" in page
        assert f"changed the score by {signed(change['score'])} points" in page


@pytest.mark.parametrize("figure", ["winner", "effects"])
def test_figures_say_what_was_measured(run: Path, figure: str) -> None:
    """Each edit with its worth, the strongest of many; a dropped sentence is never shown as one that helps."""
    edits = attribution(run)[figure]
    if figure == "effects":
        edits = sorted(edits, key=lambda edit: -abs(edit["effect"]))[:MAX_EFFECTS]
    if not edits:
        assert not (run / f"plots/{figure}.svg").exists()
        assert not run.match("text0/runs/*"), "the run with sentences to drop has both figures"
        return
    texts = drawn(run, figure)
    for edit in edits:
        begins = ("pruned: " if edit.get("is_pruned") else "") + shown(edit)
        assert any(text.startswith(begins[:30]) for text in texts), (begins, texts)
    numbers = [text for text in texts if re.fullmatch(r"[+−]\d+\.\d", text)]
    assert sorted(numbers) == sorted(f"{100 * edit['effect']:+.1f}".replace("-", "−") for edit in edits)
