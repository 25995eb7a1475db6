"""What a prompt is: an immutable value that renders to chat messages.

The content alone makes the identity. However a prompt was reached, two prompts with the same filled slots in the same
order, the same demonstrations in the same order, the same user template and separator are equal and share one
``prompt_id``; a slot that holds nothing leaves no trace.
"""

import hashlib
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from promptrl.llm.base import Message, Messages
from promptrl.prompts.placeholders import filled, placeholders

T = TypeVar("T")

_HEADING = re.compile(r"^\[(system|user|assistant)\]$", re.MULTILINE)
_LIKE_A_HEADING = re.compile(r"^\\*\[(?:system|user|assistant)\]$", re.MULTILINE)
_ESCAPED_HEADING = re.compile(r"^\\(\\*\[(?:system|user|assistant)\])$", re.MULTILINE)
_JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One solved example, shown to the target as a user and an assistant message, or as a longer conversation.

    Attributes:
        row_id: The train row it was made from; not part of the content, so not compared.
        user: The rendered user message that is answered.
        assistant: The right answer.
        fields: What the user template is filled with. A prompt renders its demonstrations anew with its own template,
            so that they ask as it does itself; empty where only the text is known, which is shown as it is.
        earlier: The rendered messages before ``user``, where the template has some.
    """

    row_id: str = field(compare=False)
    user: str
    assistant: str
    fields: Mapping[str, str] = field(default_factory=dict, compare=False)
    earlier: Messages = ()

    @property
    def asked(self) -> Messages:
        """All messages before the answer."""
        return (*self.earlier, Message("user", self.user))

    @property
    def question(self) -> str:
        """What is asked, for people and text features: one message a line."""
        return "\n".join(message.content for message in self.asked)

    @property
    def source(self) -> Hashable:
        """What is the same however a template shows it."""
        return tuple(sorted(self.fields.items())) or self.asked, self.assistant

    def shown_by(self, template: "UserTemplate") -> "Demonstration":
        """This demonstration as a prompt with that template shows it.

        Raises:
            KeyError: A placeholder has no field.
        """
        if not self.fields:
            return self
        *earlier, last = template.render(self.fields)
        return replace(self, user=last.content, earlier=tuple(earlier))


@dataclass(frozen=True, slots=True)
class UserTemplate:
    """The user message with its ``{identifier}`` placeholders, and the conversation that leads to it, if any.

    ``{{`` and ``}}`` stand for one brace; every other brace is plain text, so JSON needs escapes only where two equal
    braces meet or an identifier stands alone in braces.

    Attributes:
        text: The user message that is answered, always the last one.
        earlier: User and assistant messages before it, with placeholders too.
    """

    text: str
    earlier: Messages = ()

    @property
    def messages(self) -> Messages:
        """All messages, the placeholders left open."""
        return (*self.earlier, Message("user", self.text))

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in order of first use, each once."""
        names = (name for message in self.messages for name in placeholders(message.content))
        return tuple(dict.fromkeys(names))

    def render(self, fields: Mapping[str, str]) -> Messages:
        """Fill the placeholders in one pass; values are copied as they are, never formatted.

        Raises:
            KeyError: A placeholder has no field.
        """
        return tuple(Message(message.role, filled(message.content, fields)) for message in self.messages)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The instructions, demonstrations and user template that the target is asked with.

    Attributes:
        slots: (slot name, text) in rendering order; empty texts are removed on construction.
        demonstrations: In the order they are shown.
        user: Template of the last message, or of the last messages.
        separator: Stands between two slots in the system message.

    Raises:
        ValueError: A slot name occurs twice.
        KeyError: A demonstration has fields, but not all that the user template needs.
    """

    slots: tuple[tuple[str, str], ...]
    demonstrations: tuple[Demonstration, ...]
    user: UserTemplate
    separator: str = " "

    def __post_init__(self) -> None:
        filled = tuple((name, text) for name, text in self.slots if text)
        if len({name for name, _ in filled}) < len(filled):
            raise ValueError(f"a slot name occurs twice in {[name for name, _ in filled]}")
        object.__setattr__(self, "slots", filled)
        object.__setattr__(self, "demonstrations", tuple(shown.shown_by(self.user) for shown in self.demonstrations))

    @property
    def prompt_id(self) -> str:
        """12 hex digits of a sha256 over the content; the same on every machine and in every run."""
        demonstrations = [(_plain(shown.asked), shown.assistant) for shown in self.demonstrations]
        content = [_JSON_FORMAT, self.slots, demonstrations, _plain(self.user.messages), self.separator]
        return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:12]

    @property
    def system_text(self) -> str:
        """The system message; empty when no slot is filled."""
        return self.separator.join(text for _, text in self.slots)

    @property
    def text(self) -> str:
        """The whole prompt for people, each message under the name of its role; ``sections`` reads it again.

        A line of the prompt that looks like such a heading gets a backslash before it.
        """
        parts = (*self._head(), *self.user.messages)
        return "\n\n".join(f"[{part.role}]\n" + _LIKE_A_HEADING.sub(r"\\\g<0>", part.content) for part in parts)

    def render(self, fields: Mapping[str, str]) -> Messages:
        """The chat messages for one example: system message, demonstrations, what is asked.

        Raises:
            KeyError: A placeholder of the user template has no field.
        """
        return (*self._head(), *self.user.render(fields))

    def slot(self, name: str) -> str:
        """The text in a slot; empty when it holds nothing."""
        for slot_name, text in self.slots:
            if slot_name == name:
                return text
        return ""

    def with_slot(self, name: str, text: str, order: Sequence[str]) -> "Prompt":
        """This prompt with a slot filled anew, or emptied by an empty text.

        A slot that is filled already keeps its place. One that was empty goes before the first slot that follows it
        in ``order``.
        """
        if self.slot(name):
            slots = tuple((other, text if other == name else old) for other, old in self.slots)
        else:
            rank = {slot_name: position for position, slot_name in enumerate(order)}
            slots = insert_in_order(self.slots, (name, text), lambda item: rank.get(item[0], -1))
        return replace(self, slots=slots)

    def _head(self) -> list[Message]:
        """The messages before those of the user template."""
        messages = [Message("system", self.system_text)] if self.slots else []
        for shown in self.demonstrations:
            messages += [*shown.asked, Message("assistant", shown.assistant)]
        return messages

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping that ``from_json`` turns back into an equal prompt."""
        return {
            "format": _JSON_FORMAT,
            "slots": [{"name": name, "text": text} for name, text in self.slots],
            "demonstrations": [
                {
                    "row_id": shown.row_id,
                    "user": _plain(shown.asked),
                    "assistant": shown.assistant,
                    "fields": dict(shown.fields),
                }
                for shown in self.demonstrations
            ],
            "user": _plain(self.user.messages),
            "separator": self.separator,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Prompt":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: The mapping has another format, lacks a key or holds something that is not text.
        """
        try:
            if data["format"] != _JSON_FORMAT:
                raise ValueError(f"prompt format {data['format']!r}, this version reads {_JSON_FORMAT}")
            return cls(
                slots=tuple((_text(slot["name"]), _text(slot["text"])) for slot in data["slots"]),
                demonstrations=tuple(_demonstration(shown) for shown in data["demonstrations"]),
                user=UserTemplate(*_conversation(data["user"])),
                separator=_text(data["separator"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a saved prompt: {error!r}") from error


def sections(text: str) -> list[tuple[str, str]]:
    """The (role, content) pairs of a text that was written by ``Prompt.text``; none when it begins with no heading."""
    headings = list(_HEADING.finditer(text))
    if not headings or headings[0].start() > 0:
        return []
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    found = []
    for heading, end in zip(headings, ends, strict=True):
        content = text[heading.end() : end].removeprefix("\n")
        if end < len(text):
            content = content.removesuffix("\n").removesuffix("\n")
        found.append((heading[1], _ESCAPED_HEADING.sub(r"\1", content)))
    return found


def insert_in_order(items: tuple[T, ...], new: T, rank: Callable[[T], int]) -> tuple[T, ...]:
    """``items`` with ``new`` put before the first item of a higher rank; the others keep their order."""
    position = next((at for at, item in enumerate(items) if rank(item) > rank(new)), len(items))
    return (*items[:position], new, *items[position:])


def _plain(asked: Messages) -> str | list[dict[str, str]]:
    """A single user message as its text, a conversation as {role, content} each; ``_conversation`` reads it again."""
    if len(asked) == 1:
        return asked[0].content
    return [{"role": message.role, "content": message.content} for message in asked]


def _conversation(data: object) -> tuple[str, Messages]:
    """The last message's text, and the messages before it."""
    if isinstance(data, str):
        return data, ()
    if not isinstance(data, list) or not data or data[-1]["role"] != "user":
        raise TypeError("expected text, or messages of which the last is the user's")
    return _text(data[-1]["content"]), tuple(Message(_role(turn["role"]), _text(turn["content"])) for turn in data[:-1])


def _demonstration(data: Mapping[str, Any]) -> Demonstration:
    user, earlier = _conversation(data["user"])
    fields = {name: _text(value) for name, value in data.get("fields", {}).items()}
    return Demonstration(_text(data["row_id"]), user, _text(data["assistant"]), fields, earlier)


def _role(value: object) -> Literal["user", "assistant"]:
    if value == "user":
        return "user"
    if value == "assistant":
        return "assistant"
    raise TypeError(f"expected the role user or assistant, got {value!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
