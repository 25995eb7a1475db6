"""Spaces of edits for a prompt that sorts tickets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from promptrl.prompts.building import build_edit_space
from promptrl.prompts.prompt import Demonstration, Prompt
from promptrl.prompts.space import EditSpace

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


SOURCES: tuple[Mapping[str, Any], ...] = (
    {},
    {"slots": None, "text": SYSTEM_TEXT},
    {"slots": None, "text": USER_TEXT, "user": None},
    {"slots": None, "text": "Be brief. Think. Be brief."},
)


@st.composite
def spaces(draw: st.DrawFn, *, reorder: bool | None = None) -> EditSpace:
    """Spaces of all sources with and without bank, demonstrations, words, order and options that came later."""
    space = make_space(
        **draw(st.sampled_from(SOURCES)),
        demonstrations=candidates(draw(st.integers(0, 4))),
        max_demonstrations=draw(st.integers(1, 3)),
        bank=draw(st.booleans()),
        reorder=draw(st.booleans()) if reorder is None else reorder,
        tokens=draw(st.sampled_from([None, WORDS])),
    )
    later = draw(st.sampled_from([{}, {"tone": ["Be kind.", "Be strict."]}]))
    return space.extended(options=later).space
