"""Prompts as files hold them: chat messages with an open user template, text with headings, or plain text."""

import json
from collections.abc import Sequence
from typing import Any

from promptrl.llm.base import Message, Messages
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate, sections

TEXT_SLOT = "text"


def template_messages(prompt: Prompt) -> Messages:
    """The prompt's chat messages, the placeholders of the user template left open."""
    *head, _ = prompt.render(dict.fromkeys(prompt.user.placeholders, ""))
    return (*head, Message("user", prompt.user.text))


def prompt_from_messages(text: str) -> Prompt:
    """Read what ``template_messages`` gave, as a JSON list of {role, content}.

    Raises:
        ValueError: It is not JSON, or not such a list: system (optional), pairs of user and assistant, user.
    """
    messages = json.loads(text)
    if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
        raise ValueError("expected a JSON list of messages with role and content")
    return _prompt([(message["role"], message["content"]) for message in messages])


def prompt_from_text(text: str, user: UserTemplate) -> Prompt:
    """Read ``Prompt.text``, or plain text: the user message when it has a placeholder, else the system message.

    Raises:
        ValueError: It begins with a heading, but the messages are in no order that a prompt has.
    """
    if parts := sections(text):
        return _prompt(parts)
    own = UserTemplate(text.strip())
    if own.placeholders:
        return Prompt((), (), own)
    return Prompt(((TEXT_SLOT, text.strip()),), (), user)


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _prompt(messages: Sequence[tuple[str, str]]) -> Prompt:
    has_system = bool(messages) and messages[0][0] == "system"
    turns = messages[has_system:]
    if len(turns) % 2 == 0 or [role for role, _ in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise ValueError("expected an optional system message, pairs of user and assistant, and a user message last")
    return Prompt(
        slots=((TEXT_SLOT, messages[0][1]),) if has_system else (),
        demonstrations=_demonstrations([content for _, content in turns[:-1]]),
        user=UserTemplate(turns[-1][1]),
    )


def _demonstrations(contents: Sequence[str]) -> tuple[Demonstration, ...]:
    return tuple(
        Demonstration("", user, assistant) for user, assistant in zip(contents[::2], contents[1::2], strict=True)
    )
