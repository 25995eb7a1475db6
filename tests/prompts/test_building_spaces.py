"""How a space is built from what the user wrote, and what can't be built."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from promptrl.errors import ConfigError
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from tests.prompts.closing_lines import CALM, Loudness
from tests.prompts.ticket_space import SYSTEM_TEXT, USER_TEXT, WORDS, candidates, make_space


def test_the_first_options_are_the_baseline() -> None:
    """No demonstrations, no words, nothing of the bank."""
    space = make_space(demonstrations=candidates(2), max_demonstrations=2, bank=True, tokens=WORDS)
    assert space.baseline == Prompt((("task", "Classify the ticket."),), (), UserTemplate("{ticket}"))
    assert space.edits_of(space.baseline) == ()


def test_equal_candidates_count_once() -> None:
    """Two rows with the same question and answer are one demonstration."""
    twins = [Demonstration("a", "q", "x"), Demonstration("b", "q", "x")]
    space = make_space(slots=None, demonstrations=twins, max_demonstrations=2)
    assert space.size() == 2


def test_a_text_with_a_placeholder_is_the_whole_user_message() -> None:
    """And a text without one the system message; unchanged they render byte for byte."""
    as_user = make_space(slots=None, text=USER_TEXT, user=None, bank=True).baseline
    assert as_user.render({"ticket": "T", "sender": "S"})[0].content == USER_TEXT.format(ticket="T", sender="S")
    as_system = make_space(slots=None, text=SYSTEM_TEXT, bank=True).baseline
    assert [message.content for message in as_system.render({"ticket": "T"})] == [SYSTEM_TEXT, "T"]


def test_options_beside_a_text_of_several_lines_stand_on_lines_of_their_own() -> None:
    """An option does not continue the last item of a list."""
    space = make_space(slots=None, text="Rules:\n- one word", bank=True)
    choose = next(edit for edit in space.edits if edit.text == "Be brief.")
    assert choose.apply(space.baseline).system_text == "Rules:\n- one word\nBe brief."


def test_moves_exist_only_when_order_is_searched() -> None:
    """Then slots, phrases and demonstrations can move."""
    arguments: dict[str, Any] = {"demonstrations": candidates(3), "max_demonstrations": 2, "bank": True}
    for source in ({}, {"slots": None, "text": SYSTEM_TEXT}):
        fixed = make_space(**source, **arguments)
        assert "move" not in {edit.kind for edit in fixed.edits}
        moves = [edit for edit in make_space(**source, **arguments, reorder=True).edits if edit.kind == "move"]
        assert {"demonstrations", "tone"} <= {edit.slot for edit in moves}
        assert len({edit.label for edit in moves}) == len(moves)


def test_a_structure_is_dropped_whole_and_passed_by_no_phrase() -> None:
    """Whatever is edited, the form that is asked for stands as it was, below what it stood below, or not at all."""
    form = '{\n  "label": "One. Two.",\n  "why": "..."\n}'
    space = make_space(slots=None, text=f"Sort it. Reply so:\n{form}\nBe brief. Stop.", reorder=True)
    moves = [edit for edit in space.edits if edit.kind == "move"]
    assert form not in {edit.text for edit in moves}
    seen, waiting = {space.baseline}, [space.baseline]
    while waiting:
        prompt = waiting.pop()
        for edit, is_valid in zip(space.edits, space.mask(prompt), strict=False):
            assert edit.is_valid(prompt) == is_valid
            if is_valid and (made := edit.apply(prompt)) not in seen:
                seen.add(made)
                waiting.append(made)
    texts = [prompt.system_text for prompt in seen]
    assert all(text.count("{") == text.count("}") == text.count(form) for text in texts)
    with_form = [text.partition(form) for text in texts if form in text]
    assert not any("Stop." in before or "Sort" in after for before, _, after in with_form)


def broken(key: str, **changes: Any) -> Any:
    """A case: the key at fault and the arguments."""
    return pytest.param(key, changes, id=f"{key}-{next(iter(changes))}")


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        broken("prompt.text", text="Be brief."),
        broken("prompt.text", slots=None, text=" \n"),
        broken("prompt.user", user=None),
        broken("prompt.user", slots=None, text="Be brief.", user=None),
        broken("prompt.user", user="Sort the ticket {{ticket}}."),
        broken("prompt.slots.role", slots={"role": []}),
        broken("prompt.slots.role.2", slots={"role": ["", "a", ""]}),
        broken("prompt.slots.role.1", slots={"role": ["", "  "]}),
        broken("prompt.slots.words", slots={"words": ["a", "b"]}, tokens=["x"]),
        broken("prompt.slots.demonstrations", slots={"demonstrations": ["a", "b"]}, demonstrations=candidates(1)),
        broken("edits.tokens.1", tokens=["a", "b c"]),
        broken("edits.tokens.0", tokens=[""]),
        broken("edits.tokens.1", tokens=["a", "a"]),
        broken("edits", slots={"task": ["Sort."]}),
        broken("edits", slots=None, text="{ticket}", user=None),
        broken("edits", slots=None, text="Be brief.", phrases=False),
    ],
)
def test_each_fault_names_its_key(key: str, changes: dict[str, Any]) -> None:
    """What only shows when the space is built is a config error under the user's own key."""
    with pytest.raises(ConfigError) as caught:
        make_space(**changes)
    assert [problem.key for problem in caught.value.problems] == [key]


def test_all_faults_are_reported_at_once() -> None:
    """Not the first only."""
    with pytest.raises(ConfigError) as caught:
        make_space(slots={"a": [], "b": ["x", "x"]}, user="no placeholder", tokens=["a b"])
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["prompt.user", "prompt.slots.a", "prompt.slots.b.1", "edits.tokens.0"]


def test_a_placeholder_in_a_slot_is_plain_text() -> None:
    """Options are never formatted, so braces in them are no fault."""
    space = make_space(slots={"task": ["Fill in {label}.", "{{x}}"]})
    assert space.baseline.render({"ticket": "T"})[0].content == "Fill in {label}."


@pytest.mark.parametrize("slots", [None, {}])
def test_a_user_template_alone_is_a_prompt_of_today(slots: Mapping[str, Sequence[str]] | None) -> None:
    """The bank then supplies every slot."""
    space = make_space(slots=slots, bank=True)
    assert space.baseline.system_text == ""
    assert "reasoning" in space.slot_order


def test_further_factors_come_last_and_are_edits_enough() -> None:
    """Kinds of edit that this function does not know are numbered after the others."""
    space = make_space(slots={"task": ["Sort."]}, user=CALM, factors=[Loudness()])
    assert [edit.kind for edit in space.edits] == ["calm", "shout"]
    assert [edit.kind for edit in make_space(factors=[Loudness()]).edits][-2:] == ["calm", "shout"]
