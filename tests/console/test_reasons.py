"""Why answers scored less, as ``runs show`` lists it."""

from io import StringIO

from rich.console import Console

from promptrl.console.tables import MAX_REASONS, reasons_table
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion


def outcome(row: str, score: float, reason: str, purpose: str = "test", prompt: str = "w") -> Outcome:
    """One answer."""
    return Outcome(prompt, row, 0, purpose, Completion("x"), {"m": score}, score, score, reason)


def shown(*outcomes: Outcome) -> str:
    """The table as a terminal shows it; empty where there is none."""
    made = reasons_table(outcomes, "w")
    if made is None:
        return ""
    console = Console(file=StringIO(), width=100)
    console.print(made)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_lowest_scores_come_first_and_equal_ones_are_one_line() -> None:
    """With how many answers they are; only the winner's, on rows that were held out."""
    text = shown(
        outcome("a", 0.5, "3 of 5: wordy"),
        outcome("b", 0.0, "1 of 5: wrong"),
        outcome("c", 0.5, "3 of 5: wordy", "validation"),
        outcome("d", 0.0, "searched", "search"),
        outcome("e", 0.0, "another prompt", prompt="b"),
        outcome("f", 1.0, ""),
    )
    lines = [line.rstrip().split(maxsplit=3) for line in text.splitlines() if " of 5" in line]
    assert lines == [["0.0", "%", "1", "1 of 5: wrong"], ["50.0", "%", "2", "3 of 5: wordy"]]
    assert "searched" not in text
    assert "another" not in text


def test_reasons_are_text_and_few() -> None:
    """Markup and control characters of a judge are shown as they are, long ones cut, and of many the lowest."""
    many = [outcome(str(i), 0.5, f"[bold]reason {i}\x1b[31m " + "x" * 500) for i in range(20)]
    text = shown(*many)
    assert text.count("[bold]reason") == MAX_REASONS
    assert "\x1b" not in text
    assert "x" * 200 not in text.replace("\n", "").replace(" ", "")


def test_without_reasons_there_is_no_table() -> None:
    """A metric may have none to give."""
    assert shown(outcome("a", 0.0, "")) == ""
