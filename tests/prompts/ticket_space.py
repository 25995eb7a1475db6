"""Spaces of edits for a prompt that sorts tickets."""

from typing import Any

import numpy as np

from promptrl.prompts.prompt import Demonstration, Prompt
from promptrl.prompts.space import EditSpace, build_edit_space

SLOTS = {
    "role": ["", "You are a clerk.", "You are a judge."],
    "task": ["Classify the ticket.", "Choose one category."],
    "format": ["", "One word only."],
}
SYSTEM_TEXT = "You are a clerk. Classify the ticket.\n\n- one word\n- no greetings\n"
USER_TEXT = "Classify the ticket. Be brief.\n<ticket>\n{ticket}\n</ticket>\nFrom {sender}. Category:"
WORDS = ["please", "now", "carefully"]


def candidates(count: int) -> list[Demonstration]:
    """Solved examples with distinct contents."""
    fields = [{"ticket": f"ticket {at}", "sender": f"sender {at}"} for at in range(count)]
    return [
        Demonstration(f"row{at}", f"ticket {at}", f"label {at}", fields=shown if at % 2 else {})
        for at, shown in enumerate(fields)
    ]


def make_space(**changes: Any) -> EditSpace:
    """A space of three slots, unless told otherwise."""
    arguments: dict[str, Any] = {
        "slots": SLOTS,
        "text": None,
        "user": "{ticket}",
        "separator": " ",
        "demonstrations": [],
        "max_demonstrations": 0,
        "bank": False,
        "phrases": True,
        "reorder": False,
        "tokens": None,
    }
    return build_edit_space(**(arguments | changes))


def wander(space: EditSpace, rng: np.random.Generator, n_edits: int) -> Prompt:
    """The baseline after ``n_edits`` random valid edits; a later one may undo an earlier one."""
    prompt = space.baseline
    for _ in range(n_edits):
        valid = np.flatnonzero(space.mask(prompt)[:-1])
        if not valid.size:
            break
        prompt = space.edits[int(rng.choice(valid))].apply(prompt)
    return prompt
