"""Prompts as files hold them: chat messages with an open user template, text with headings, or plain text."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from promptrl.llm.base import Message, Messages
from promptrl.prompts.placeholders import without_literal
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate, sections

TEXT_SLOT = "text"


def template_messages(prompt: Prompt) -> Messages:
    """The prompt's chat messages, the placeholders of the user template left open."""
    messages = prompt.render(dict.fromkeys(prompt.user.placeholders, ""))
    asked = prompt.user.messages
    return (*messages[: -len(asked)], *asked)


def prompt_from_messages(text: str, user: UserTemplate) -> Prompt:
    """Read what ``template_messages`` gave, as a JSON list of {role, content}.

    Args:
        text: The JSON.
        user: A template that asks in as many messages, if the prompt does not ask in one.

    Raises:
        ValueError: It is not JSON, or not such a list: system (optional), solved examples, what is asked.
    """
    try:
        messages = json.loads(text)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    if not _are_messages(messages):
        raise ValueError("expected a JSON list of messages with role and content")
    return _prompt([(message["role"], message["content"]) for message in messages], user)


def prompt_from_text(text: str, user: UserTemplate, literal: Collection[str] = ()) -> Prompt:
    """Read ``Prompt.text``, or plain text: the user message when it has a placeholder, else the system message.

    Args:
        text: What stands in the file.
        user: What a plain system message asks with, and a template that asks in as many messages.
        literal: Names in braces that are no placeholders.

    Raises:
        ValueError: It begins with a heading, but the messages are in no order that a prompt has.
    """
    if parts := sections(text):
        return _prompt(parts, user)
    own = UserTemplate(without_literal(text.strip(), literal))
    if own.placeholders:
        return Prompt((), (), own)
    return Prompt(((TEXT_SLOT, text.strip()),), (), user)


def is_chat(text: str) -> bool:
    """Whether a text is chat messages as JSON, as other tools keep their prompts."""
    if not text.lstrip().startswith("["):
        return False
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(messages) and _are_messages(messages)


def _are_messages(messages: Any) -> bool:
    return isinstance(messages, list) and all(_is_message(message) for message in messages)


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _prompt(messages: Sequence[tuple[str, str]], user: UserTemplate) -> Prompt:
    has_system = bool(messages) and messages[0][0] == "system"
    turns = messages[has_system:]
    for roles in ([message.role for message in user.messages], ["user"]):
        solved = [*roles, "assistant"]
        count, rest = divmod(len(turns), len(solved))
        if rest == len(roles) and [role for role, _ in turns] == solved * count + roles:
            examples = [turns[at * len(solved) : (at + 1) * len(solved)] for at in range(count)]
            return Prompt(
                slots=((TEXT_SLOT, messages[0][1]),) if has_system else (),
                demonstrations=tuple(
                    Demonstration("", question, answer, earlier=_turns(earlier))
                    for *earlier, (_, question), (_, answer) in examples
                ),
                user=UserTemplate(turns[-1][1], _turns(turns[-len(roles) : -1])),
            )
    raise ValueError("expected an optional system message, pairs of user and assistant, and a user message last")


def _turns(messages: Sequence[tuple[str, str]]) -> Messages:
    return tuple(Message("user" if role == "user" else "assistant", content) for role, content in messages)
