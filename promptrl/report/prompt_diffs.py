"""What became of a prompt: the winner's messages against the baseline's, and each finalist in brief."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptrl.report.wording import Piece, word_diff
from promptrl.safe_text import printable

MAX_PROMPT, MAX_BASELINE, MAX_CHANGE, MAX_AROUND = 20_000, 400, 700, 80
_LAST = -1


def prompt_diff(result: Mapping[str, Any]) -> list[tuple[str, list[Piece]]]:
    """The messages of both prompts, each as a diff; a message that only one has is all new or all gone."""
    before, after = (_messages(result[label]["messages"]) for label in ("baseline", "winner"))
    order = list(dict.fromkeys([*after, *before]))
    order.sort(key=lambda place: (place[2] == _LAST, place[0] != "system"))
    texts = [
        (place[0], printable(before.get(place, ""), MAX_PROMPT), printable(after.get(place, ""), MAX_PROMPT))
        for place in order
    ]
    return [(role, word_diff(old, new)) for role, old, new in texts]


def _messages(messages: Sequence[Mapping[str, str]]) -> dict[tuple[str, str, int], str]:
    """Contents by role and place; demonstrations are known by what they say, so that one more is one more.

    What is said several times is numbered from the end, where all prompts of a run are alike.
    """
    *head, last = messages
    found = {(last["role"], "", _LAST): last["content"]}
    times: Counter[tuple[str, str]] = Counter()
    for message in reversed(head):
        said = message["role"], "" if message["role"] == "system" else message["content"]
        found[*said, times[said]] = message["content"]
        times[said] += 1
    return dict(reversed(found.items()))


def finalist_diff(baseline: str, row: Mapping[str, Any]) -> list[Piece]:
    """A finalist's text as a diff to the baseline's, so that near-equal ones are told apart; the baseline's is cut."""
    if row["is_baseline"]:
        return [Piece("same", _dense(row["text"], MAX_BASELINE))]
    pieces = word_diff(_dense(baseline, MAX_PROMPT), _dense(row["text"], MAX_PROMPT))
    return [replace(piece, text=_around(piece)) for piece in pieces]


def _around(piece: Piece) -> str:
    """A piece of a diff with its middle left out where it is long: of what stayed a few words around the changes do."""
    if piece.change != "same":
        return printable(piece.text, MAX_CHANGE, keep_end=True)
    if len(piece.text) <= 2 * MAX_AROUND:
        return piece.text
    return f"{piece.text[:MAX_AROUND].rstrip()} … {piece.text[-MAX_AROUND:].lstrip()}"


def _dense(text: str, limit: int) -> str:
    """A prompt's text without blank lines, cut where it gets long."""
    return printable("\n".join(line for line in text.splitlines() if line.strip()), limit)
