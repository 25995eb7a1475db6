"""What makes two prompts the same, and how a prompt becomes chat messages."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.llm.base import Message
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate, insert_in_order

SUM = Demonstration("r1", "2 + 2?", "4")
DIFFERENCE = Demonstration("r2", "5 - 3?", "2")
QUESTION = UserTemplate("{question}")

names = st.sampled_from(["role", "task", "reasoning", "format"])
conversations = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text()), max_size=2).map(tuple)
demonstrations = st.builds(
    Demonstration,
    row_id=st.text(),
    user=st.text(),
    assistant=st.text(),
    fields=st.just({}) | st.fixed_dictionaries({"x": st.text()}),
    earlier=conversations,
)
prompts = st.builds(
    Prompt,
    slots=st.lists(st.tuples(names, st.text()), unique_by=lambda item: item[0]).map(tuple),
    demonstrations=st.lists(demonstrations, max_size=3).map(tuple),
    user=st.builds(
        UserTemplate,
        st.text().map(lambda text: text.replace("{", "{{")) | st.just("{x}?"),
        st.just(()) | st.just((Message("user", "{x}"), Message("assistant", "Yes?"))),
    ),
    separator=st.sampled_from([" ", "\n", ""]),
)


def test_messages_are_system_demonstrations_then_user() -> None:
    """Filled slots form one system message, each demonstration a pair, the input comes last."""
    prompt = Prompt((("role", "You add."), ("tone", ""), ("format", "Digits only.")), (SUM,), QUESTION)
    assert prompt.render({"question": "1 + 1?"}) == (
        Message("system", "You add. Digits only."),
        Message("user", "2 + 2?"),
        Message("assistant", "4"),
        Message("user", "1 + 1?"),
    )


def test_a_conversation_comes_last_and_demonstrations_are_whole_conversations() -> None:
    """A row is shown as it is asked: all messages of the template, then the answer."""
    template = UserTemplate("Which category?", (Message("user", "Ticket: {ticket}"), Message("assistant", "Read.")))
    shown = Demonstration("r1", "", "refund", {"ticket": "Money back!"})
    prompt = Prompt((("role", "You triage."),), (shown,), template)
    assert prompt.render({"ticket": "It broke."}) == (
        Message("system", "You triage."),
        Message("user", "Ticket: Money back!"),
        Message("assistant", "Read."),
        Message("user", "Which category?"),
        Message("assistant", "refund"),
        Message("user", "Ticket: It broke."),
        Message("assistant", "Read."),
        Message("user", "Which category?"),
    )
    assert prompt.text.endswith("[user]\nTicket: {ticket}\n\n[assistant]\nRead.\n\n[user]\nWhich category?")


def test_no_filled_slot_means_no_system_message() -> None:
    """An empty system message is never sent."""
    assert Prompt((("role", ""),), (), QUESTION).render({"question": "x"}) == (Message("user", "x"),)


def test_the_separator_stands_between_slots_only() -> None:
    """It neither leads nor trails, and an empty slot leaves no second one."""
    prompt = Prompt((("a", "A"), ("b", ""), ("c", "C")), (), QUESTION, separator="\n\n")
    assert prompt.system_text == "A\n\nC"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{ticket}", "T"),
        ("{ticket} and {ticket}", "T and T"),
        ("{{ticket}}", "{ticket}"),
        ("{{{ticket}}}", "{T}"),
        ('{"label": "{ticket}"}', '{"label": "T"}'),
        ('{"a": {"b": "{ticket}"}} {"c": {"d": {ticket}}}', '{"a": {"b": "T"}} {"c": {"d": T}}'),
        ('{{"a": {{"b": "{ticket}"}}}}', '{"a": {"b": "T"}}'),
        ("}} {{ }} {ticket} }}", "}} { } T }}"),
        ("{} { ticket } {0} {a b} {a.b} {a!r} {a:>3}", "{} { ticket } {0} {a b} {a.b} {a!r} {a:>3}"),
        ("100 % %s $ticket {größe}", "100 % %s $ticket G"),
    ],
)
def test_only_identifiers_in_braces_are_placeholders(template: str, rendered: str) -> None:
    """Double braces escape, all other braces are text, the end of nested JSON too."""
    assert UserTemplate(template).render({"ticket": "T", "größe": "G"}) == (Message("user", rendered),)


def test_placeholders_are_named_once_in_order_of_use() -> None:
    """What the data set must offer."""
    assert UserTemplate("{b} {a} {b} {{c}}").placeholders == ("b", "a")
    assert UserTemplate("{b} {a}", (Message("user", "{c} {a}"),)).placeholders == ("c", "a", "b")


@given(value=st.text())
def test_data_is_never_formatted(value: str) -> None:
    """A value that looks like a template is copied as it is."""
    template = UserTemplate("<{x}>{y}", (Message("assistant", "{y}{x}"),))
    earlier, last = template.render({"x": value, "y": "{x}"})
    assert earlier == Message("assistant", f"{{x}}{value}")
    assert last == Message("user", f"<{value}>{{x}}")


def test_slots_and_demonstrations_are_never_formatted() -> None:
    """Placeholders and escapes in them are plain text."""
    prompt = Prompt((("task", "Fill {question} and {{}}."),), (Demonstration("r", "{question}", "{{"),), QUESTION)
    assert [message.content for message in prompt.render({"question": "q"})] == [
        "Fill {question} and {{}}.",
        "{question}",
        "{{",
        "q",
    ]


def test_a_missing_field_is_named() -> None:
    """Rendering without a column can't silently send the placeholder."""
    with pytest.raises(KeyError, match="question"):
        Prompt((), (), QUESTION).render({"ticket": "x"})


def test_empty_slots_leave_no_trace() -> None:
    """A prompt that names an empty slot equals one that doesn't."""
    one = Prompt((("role", ""), ("task", "Add.")), (), QUESTION)
    other = Prompt((("task", "Add."), ("format", "")), (), QUESTION)
    assert one == other
    assert hash(one) == hash(other)
    assert one.prompt_id == other.prompt_id


@pytest.mark.parametrize(
    "change",
    [
        {"slots": (("task", "Subtract."),)},
        {"slots": (("role", "Add."),)},
        {"slots": (("task", "Add."), ("role", "x"))},
        {"demonstrations": (SUM,)},
        {"demonstrations": (DIFFERENCE, SUM)},
        {"user": UserTemplate("Q: {question}")},
        {"user": UserTemplate("{question}", (Message("assistant", "Yes?"),))},
        {"user": UserTemplate("{question}", (Message("user", "Yes?"),))},
        {"demonstrations": (dataclasses.replace(SUM, earlier=(Message("assistant", "Yes?"),)), DIFFERENCE)},
        {"separator": "\n"},
    ],
)
def test_any_change_of_content_changes_the_identity(change: dict[str, Any]) -> None:
    """Slots, demonstrations and their order, template and separator all count."""
    prompt = Prompt((("task", "Add."),), (SUM, DIFFERENCE), QUESTION)
    changed = dataclasses.replace(prompt, **change)
    assert changed != prompt
    assert changed.prompt_id != prompt.prompt_id


def test_the_row_of_a_demonstration_is_no_content() -> None:
    """The same question and answer from another row make the same prompt."""
    one = Prompt((), (SUM,), QUESTION)
    other = Prompt((), (dataclasses.replace(SUM, row_id="r9"),), QUESTION)
    assert one == other
    assert one.prompt_id == other.prompt_id


def test_a_demonstration_follows_the_user_template() -> None:
    """It asks as the last message does; one that is known by its text alone stays as it is."""
    live = Demonstration("r", "Be brief. 2 + 2?", "4", {"question": "2 + 2?"})
    prompt = Prompt((), (live, DIFFERENCE), UserTemplate("Be brief. {question}"))
    changed = dataclasses.replace(prompt, user=QUESTION)
    assert [message.content for message in changed.render({"question": "x"})] == ["2 + 2?", "4", "5 - 3?", "2", "x"]
    assert changed == Prompt((), (SUM, DIFFERENCE), QUESTION)
    assert changed.prompt_id == Prompt((), (SUM, DIFFERENCE), QUESTION).prompt_id
    back = Prompt.from_json(json.loads(json.dumps(changed.to_json())))
    assert dataclasses.replace(back, user=prompt.user) == prompt


def test_a_prompt_saved_without_fields_can_be_read() -> None:
    """Run folders of last month."""
    saved = Prompt((), (SUM,), QUESTION).to_json()
    del saved["demonstrations"][0]["fields"]
    assert Prompt.from_json(saved) == Prompt((), (SUM,), QUESTION)


def test_the_identity_is_the_same_in_every_version() -> None:
    """Run folders of last month still name the same prompt."""
    assert Prompt((("task", "Add."),), (SUM,), QUESTION).prompt_id == "28175a95adc3"


@given(one=prompts, other=prompts)
def test_ids_are_equal_exactly_when_prompts_are(one: Prompt, other: Prompt) -> None:
    """The short id can stand for the prompt."""
    assert (one.prompt_id == other.prompt_id) == (one == other)


@given(prompt=prompts)
def test_json_gives_back_the_same_prompt(prompt: Prompt) -> None:
    """Through text, with any characters, rows of demonstrations included."""
    back = Prompt.from_json(json.loads(json.dumps(prompt.to_json())))
    assert back == prompt
    assert back.to_json() == prompt.to_json()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data | {"format": 2},
        lambda data: {key: value for key, value in data.items() if key != "user"},
        lambda data: data | {"separator": None},
        lambda data: data | {"user": []},
        lambda data: data | {"user": [{"role": "assistant", "content": "x"}]},
        lambda data: data | {"user": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}]},
        lambda data: data | {"user": [{"role": "user", "content": None}]},
        lambda data: data | {"slots": ["task"]},
        lambda data: data | {"demonstrations": None},
        lambda data: data | {"demonstrations": [data["demonstrations"][0] | {"fields": ["x"]}]},
        lambda data: data | {"demonstrations": [data["demonstrations"][0] | {"fields": {"other": "x"}}]},
        lambda data: data | {"slots": [{"name": "a", "text": "x"}, {"name": "a", "text": "y"}]},
    ],
)
def test_damaged_json_is_a_value_error(damage: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """One kind of error, whatever is wrong with the file."""
    with pytest.raises(ValueError, match=r"prompt|twice"):
        Prompt.from_json(damage(Prompt((("task", "Add."),), (SUM,), QUESTION).to_json()))


def test_text_for_people_names_the_role_of_each_message() -> None:
    """What best_prompt.txt shows."""
    prompt = Prompt((("task", "Add."),), (SUM,), QUESTION)
    assert prompt.text == "[system]\nAdd.\n\n[user]\n2 + 2?\n\n[assistant]\n4\n\n[user]\n{question}"


def test_a_slot_filled_again_keeps_its_place() -> None:
    """And one that was empty goes before the first that follows it in the order."""
    order = ("role", "task", "format")
    prompt = Prompt((("format", "F"), ("task", "T")), (), QUESTION)
    assert prompt.with_slot("format", "G", order).slots == (("format", "G"), ("task", "T"))
    assert prompt.with_slot("role", "R", order).slots == (("role", "R"), ("format", "F"), ("task", "T"))
    assert prompt.with_slot("format", "", order).slots == (("task", "T"),)


@given(st.permutations(range(6)))
def test_insertion_builds_the_canonical_order_from_any_route(route: list[int]) -> None:
    """Whatever comes first, the items end up by rank."""
    items: tuple[int, ...] = ()
    for item in route:
        items = insert_in_order(items, item, lambda rank: rank)
    assert items == (0, 1, 2, 3, 4, 5)
