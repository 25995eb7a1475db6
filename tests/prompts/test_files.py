"""A prompt that was written into a file is the same prompt when it is read."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.llm.base import Message
from promptrl.prompts.files import prompt_from_messages, prompt_from_text, template_messages
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate

BASELINE_USER = UserTemplate("{question}")

pieces = st.sampled_from(
    ["[user]", "[system]", "[assistant]", "\\", "\n", "\r", "\u2028", " ", "x", "{question}", "{{", "}}", "[user] x"]
)
texts = st.lists(pieces, max_size=8).map("".join) | st.text()
prompts = st.builds(
    Prompt,
    slots=st.lists(texts, max_size=2).map(lambda found: tuple((f"slot{at}", text) for at, text in enumerate(found))),
    demonstrations=st.lists(st.builds(Demonstration, st.just("r"), texts, texts), max_size=2).map(tuple),
    user=texts.map(lambda text: UserTemplate(text.replace("{question}", "{q}") + "{question}")).filter(
        lambda user: set(user.placeholders) <= {"q", "question"}
    ),
    separator=st.sampled_from([" ", "\n"]),
)


conversations = st.sampled_from(
    [
        (),
        (Message("assistant", "Yes?"),),
        (Message("user", "{q}"), Message("assistant", "[user]\n{question}")),
    ]
)


def in_conversation(prompt: Prompt, earlier: tuple[Message, ...]) -> Prompt:
    """The prompt asking in several messages, as its demonstrations do."""
    asked = tuple(dataclasses.replace(shown, earlier=earlier) for shown in prompt.demonstrations)
    return dataclasses.replace(prompt, user=UserTemplate(prompt.user.text, earlier), demonstrations=asked)


@given(prompt=prompts, value=st.text(), earlier=conversations)
def test_the_readable_text_gives_back_the_same_messages(
    prompt: Prompt, value: str, earlier: tuple[Message, ...]
) -> None:
    """For every row, also where a line of the prompt looks like a heading."""
    prompt = in_conversation(prompt, earlier)
    fields = {"question": value, "q": "[user]"}
    assert prompt_from_text(prompt.text, prompt.user).render(fields) == prompt.render(fields)


@given(prompt=prompts, value=st.text(), earlier=conversations)
def test_chat_messages_give_back_the_same_messages(prompt: Prompt, value: str, earlier: tuple[Message, ...]) -> None:
    """Through JSON, the template left open."""
    prompt = in_conversation(prompt, earlier)
    text = json.dumps([{"role": message.role, "content": message.content} for message in template_messages(prompt)])
    fields = {"question": value, "q": ""}
    assert prompt_from_messages(text, prompt.user).render(fields) == prompt.render(fields)


def test_a_file_may_ask_in_one_message_where_the_config_asks_in_more() -> None:
    """It is read as it stands."""
    like = UserTemplate("Which?", (Message("user", "{question}"), Message("assistant", "Yes?")))
    text = "[user]\n2 + 2?\n\n[assistant]\n4\n\n[user]\nx\n\n[assistant]\ny\n\n[user]\nQ: {question}"
    assert len(prompt_from_text(text.removeprefix("[user]\n2 + 2?\n\n[assistant]\n4\n\n"), like).demonstrations) == 0
    prompt = prompt_from_text(text, like)
    assert [shown.asked for shown in prompt.demonstrations] == [(Message("user", "2 + 2?"),), (Message("user", "x"),)]
    assert prompt.user == UserTemplate("Q: {question}")


def test_a_line_like_a_heading_is_escaped() -> None:
    """A reader sees which headings are ours; the escape itself can be escaped."""
    prompt = Prompt((("task", "Copy:\n[user]\n\\[user]\n[user] x"),), (), BASELINE_USER)
    assert prompt.text == "[system]\nCopy:\n\\[user]\n\\\\[user]\n[user] x\n\n[user]\n{question}"


def test_headings_typed_by_hand_need_no_blank_lines() -> None:
    """One line break before a heading will do."""
    prompt = prompt_from_text("[system]\nAdd.\n[user]\nQ: {question}", BASELINE_USER)
    assert (prompt.system_text, prompt.user.text) == ("Add.", "Q: {question}")


@pytest.mark.parametrize(
    ("text", "system", "user"),
    [
        ("Add.\n", "Add.", "{question}"),
        ("Add {question}.\n", "", "Add {question}."),
        ("Add:\n[user]\nx", "Add:\n[user]\nx", "{question}"),
    ],
)
def test_plain_text_is_the_system_message_or_with_a_placeholder_the_user_message(
    text: str, system: str, user: str
) -> None:
    """Text that begins with no heading has none."""
    prompt = prompt_from_text(text, BASELINE_USER)
    assert (prompt.system_text, prompt.user.text) == (system, user)


@pytest.mark.parametrize(
    "text", ["[system]\nAdd.", "[user]\nx\n\n[assistant]\ny", "[user]\nx\n\n[system]\ny\n\n[user]\nz"]
)
def test_headings_in_no_order_of_a_prompt_are_refused(text: str) -> None:
    """Better than to misread them."""
    with pytest.raises(ValueError, match="user message last"):
        prompt_from_text(text, BASELINE_USER)
