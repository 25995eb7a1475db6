"""What a model thinks before it answers is no part of its answer: it is cut off the front, for every target."""

import json
import re
from dataclasses import replace

from promptrl.llm.base import Completion

_OPENING = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE)
_CLOSING = re.compile(r"(?:^|\n)[ \t]*</think(?:ing)?>|</think(?:ing)?>[ \t]*(?:\r?\n|$)", re.IGNORECASE)
"""Where the chat template has opened the thoughts, only the end is in the answer: at the end or the start of a line."""
_ENDS = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in ("think", "thinking")}
_BRACKET = re.compile(r"[\[{]")
_MOST_TRIES = 100


def answered(completion: Completion) -> Completion:
    """The completion without the thoughts before the answer, and with the fault that there is no answer, if so."""
    if completion.fault is not None:
        return completion
    text = without_thoughts(completion.text)
    if text is None:
        return replace(completion, text="", fault="only_thoughts")
    if completion.finish_reason == "length" and not text.strip():
        return replace(completion, text=text, fault="no_answer")
    return completion if text == completion.text else replace(completion, text=text)


def without_thoughts(text: str) -> str | None:
    """The answer alone; None when the thoughts never end.

    Only what stands in front is cut: a tag further on, or within JSON, is what the model wanted to say.
    """
    start = 0
    while opening := _OPENING.match(text, start):
        end = _ENDS[opening[1].lower()].search(text, opening.end())
        if end is None:
            return None
        start = end.end()
    if not start and (closing := _CLOSING.search(text)) and not _is_within_json(text, closing.start()):
        start = closing.end()
    return text[start:].lstrip() if start else text


def _is_within_json(text: str, position: int) -> bool:
    """Whether a JSON object or list that is whole goes over this place."""
    decoder = json.JSONDecoder()
    start = 0
    for _ in range(_MOST_TRIES):
        found = _BRACKET.search(text, start, position)
        if found is None:
            return False
        try:
            _, end = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            end = found.start() + 1
        if end > position:
            return True
        start = end
    return False
