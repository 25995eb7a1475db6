"""The blocks of a config that say what the prompt is and what may change in it."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from promptrl.config.blocks import Block, Expect, Issue, Switch, Text, Whole
from promptrl.config.proposers import RewriteConfig
from promptrl.errors import Problem, show
from promptrl.llm.base import Message
from promptrl.prompts.files import is_chat
from promptrl.prompts.placeholders import malformed_placeholders, placeholders, without_literal
from promptrl.prompts.prompt import UserTemplate, sections
from promptrl.prompts.space_problems import slot_problems, source_problems, word_problems
from promptrl.settings import NAME

MOST_WORDS = 500

Option = Annotated[str, Expect("text")]
Options = Annotated[tuple[Option, ...], Field(min_length=1), Expect("a list of texts, the first of them the baseline")]
SlotName = Annotated[
    str, Field(pattern=NAME), Expect("a slot name of at most 64 letters, digits, _ and -, a letter first")
]


class DemonstrationsConfig(Block):
    """Solved examples shown to the model."""

    max: Whole = Field(default=0, ge=0, le=64, description="Most demonstrations in a prompt; 0: none.")
    candidates: Whole | None = Field(
        default=None, ge=1, le=1000, description="Train rows set aside to choose from, never scored; null: 4 x `max`."
    )

    @property
    def set_aside(self) -> int:
        """Train rows to set aside: none when no demonstration may be shown."""
        if self.max == 0:
            return 0
        return 4 * self.max if self.candidates is None else self.candidates

    def issues(self) -> Iterator[Issue]:
        """There must be enough candidates."""
        if self.candidates is not None and self.max > self.candidates:
            yield Issue(("max",), f"got {self.max}, expected at most `candidates` ({self.candidates})")


class TurnConfig(Block):
    """One message of a user template of several."""

    role: Literal["user", "assistant"] = Field(description="Who says it; the last message is the user's.")
    content: Text = Field(description="The message, with {column} placeholders.")


def _one_turn(value: Any) -> Any:
    """Take text for the one message of the user."""
    return [{"role": "user", "content": value}] if isinstance(value, str) and value else value


def as_template(turns: tuple[TurnConfig, ...]) -> UserTemplate:
    """The conversation as the prompt's template."""
    *earlier, last = turns
    return UserTemplate(last.content, tuple(Message(turn.role, turn.content) for turn in earlier))


def _as_written(turns: tuple[TurnConfig, ...]) -> str | list[dict[str, str]]:
    return turns[0].content if len(turns) == 1 else [turn.model_dump() for turn in turns]


Conversation = Annotated[
    tuple[TurnConfig, ...],
    Field(min_length=1),
    BeforeValidator(_one_turn),
    PlainSerializer(_as_written, when_used="json"),
    Expect("text, or a list of messages with role and content", takes_text=True),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "role": {"enum": ["user", "assistant"]},
                            "content": {"type": "string", "minLength": 1},
                        },
                        "required": ["role", "content"],
                        "additionalProperties": False,
                    },
                },
            ]
        }
    ),
]


class PromptConfig(Block):
    """The prompt to improve and what may vary in it."""

    slots: (
        Annotated[dict[SlotName, Options], Field(min_length=1), Expect("a mapping of slot names to lists of texts")]
        | None
    ) = Field(
        default=None,
        description="Parts of the system message, in order: name to options. The first option is the baseline; "
        '"" leaves the slot out.',
    )
    text: Text | None = Field(
        default=None,
        description="Instead of `slots`: today's prompt, or the path of a file that holds it. "
        "With a placeholder it is the whole user message, else the system message.",
    )
    user: Conversation | None = Field(
        default=None,
        description="User message with {column} placeholders ({{ and }} escape); null: the input column alone. "
        "Or a conversation that ends with it: a list of messages.",
    )
    literal: Annotated[tuple[Text, ...], Expect("a list of names")] = Field(
        default=(),
        description="Names that are meant to stand in braces, as the merge fields of a letter or in LaTeX: no columns.",
    )
    separator: str = Field(default=" ", description="What stands between two slots.")
    demonstrations: DemonstrationsConfig = Field(
        default=DemonstrationsConfig(), description="Solved examples shown to the model."
    )

    def issues(self) -> Iterator[Issue]:
        """Check slots, templates, and that there is one prompt."""
        if self.slots is None and self.text is None:
            yield Issue(("slots",), "is missing, and so is `text`", "give one of the two")
        yield from issues_of(slot_problems(self.slots or {}), "prompt")
        if self.text is not None and sections(self.text.lstrip()):
            hint = "give the text alone, as `promptrl export --format text` writes it, and other messages as `user`"
            yield Issue(("text",), "begins with the heading of a message, as the readable export has it", hint)
        elif self.text is not None and is_chat(self.text):
            hint = "give the text of its system message, and other messages as `user`"
            yield Issue(("text",), "holds chat messages as JSON, expected the prompt itself", hint)
        elif self.text_template is not None:
            yield from _template_issues("text", self.text_template)
            yield from self._second_user_message(placeholders(self.text_template)[0])
        elif self.user is not None:
            yield from self._turn_issues(self.user)
        turns = None if self.user is None else self.user_turns(None)
        asked = None if turns is None else as_template(turns)
        yield from issues_of(source_problems(self.slots, self.text, asked), "prompt")

    @property
    def text_template(self) -> str | None:
        """`text` where it is the whole user message, names of `literal` escaped; None where it is not."""
        template = without_literal(self.text or "", self.literal)
        return template if placeholders(template) else None

    def user_turns(self, input_column: str | None) -> tuple[TurnConfig, ...] | None:
        """The template of the user message and what comes before it; None when `text` is the whole of it.

        Args:
            input_column: ``dataset.input``, which stands in for a missing template.
        """
        if self.text_template is not None:
            return None
        turns = self.user or (TurnConfig(role="user", content=f"{{{input_column}}}"),)
        return tuple(TurnConfig(role=turn.role, content=without_literal(turn.content, self.literal)) for turn in turns)

    def _second_user_message(self, name: str) -> Iterator[Issue]:
        if self.user is not None:
            message = f"can't be given: `text` has the placeholder {{{name}}} and is the whole user message"
            yield Issue(("user",), message, f"if these braces are meant, prompt.literal: [{name}]")

    @staticmethod
    def _turn_issues(turns: tuple[TurnConfig, ...]) -> Iterator[Issue]:
        for position, turn in enumerate(turns):
            key = "user" if len(turns) == 1 else f"user.{position}.content"
            yield from _template_issues(key, turn.content)
        if turns[-1].role != "user":
            path = ("user", str(len(turns) - 1), "role")
            yield Issue(path, "got assistant, expected user: the last message is what the model answers")


class EditsConfig(Block):
    """Edits beyond the options and demonstrations of the prompt."""

    bank: Literal["auto", "builtin", "none"] = Field(
        default="auto",
        description="Built-in options for slots the prompt lacks. auto: if there are some in its language; "
        "builtin: else the English ones.",
    )
    phrases: Switch = Field(default=True, description="The sentences of a `text` prompt may be dropped.")
    reorder: Switch = Field(default=False, description="The sentences of a `text` prompt may be moved.")
    tokens: Annotated[
        tuple[Text, ...] | None,
        Expect("a list of words, or the path of a file with one word a line"),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}, "maxItems": MOST_WORDS},
                    {"type": "string"},
                    {"type": "null"},
                ]
            }
        ),
    ] = Field(
        default=None,
        description=f"Words that may be inserted, at most {MOST_WORDS}: a list, or the path of a file with one a line.",
    )
    keep: Annotated[tuple[Text, ...], Expect("a list of texts of the prompt")] = Field(
        default=(),
        description="What must stay as it is, in its place: sentences of the prompt, or parts that name them.",
    )
    rewrite: RewriteConfig | None = Field(
        default=None, description="Edits that a model proposes while the search works; null: none."
    )

    @property
    def proposed(self) -> RewriteConfig | None:
        """The block ``rewrite`` where edits are to be proposed at all."""
        return self.rewrite if self.rewrite and self.rewrite.rounds else None

    def issues(self) -> Iterator[Issue]:
        """Words must differ, and be few enough to search among."""
        if len(self.tokens or ()) > MOST_WORDS:
            hint = "keep those that may matter: each word is an edit that must be tried"
            yield Issue(("tokens",), f"got {len(self.tokens or ()):,} words, expected at most {MOST_WORDS}", hint)
            return
        yield from issues_of(word_problems(self.tokens or ()), "edits")


def issues_of(problems: Iterable[Problem], block: str) -> Iterator[Issue]:
    """Problems found by the part that a block is for, with keys relative to the block."""
    for problem in problems:
        yield Issue(tuple(problem.key.removeprefix(f"{block}.").split(".")), problem.message, problem.hint)


def _template_issues(key: str, template: str) -> Iterator[Issue]:
    for found in malformed_placeholders(template):
        hint = "{column} is replaced; write {{ and }} for braces that stay"
        yield Issue(tuple(key.split(".")), f"{show(found)} is not a placeholder", hint)
