"""The ``replay`` target: logged answers instead of a model, so that a run can be repeated offline.

A log is JSONL, one answer a line::

    {"messages": [{"role": "user", "content": "2 + 2?"}], "completion": "4", "prompt_tokens": 9, "completion_tokens": 1}

The token counts, ``latency_s``, ``cost_usd``, ``finish_reason`` and ``fault`` may be missing. Several lines with the
same messages are several answers to the same question: repeat 0, 1, ... in the order of the file.

``python -m promptrl.llm.targets.replay convert --help`` makes such a log from tables of logged answers
(``replay_convert.py``).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import Completion, Message, Messages, Target, excerpt
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.llm.targets.replay_convert import Conversion, convert_prompt_table
from promptrl.settings import Setting

__all__ = ["Conversion", "ReplayTarget", "convert_prompt_table"]

_ROLES = ("system", "user", "assistant")
_NUMBERS = {"prompt_tokens": int, "completion_tokens": int, "latency_s": (int, float), "cost_usd": (int, float)}
_TEXTS = ("finish_reason", "fault")
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTargetDefinition(CalledTargetDefinition):
    """Logged answers."""

    summary: ClassVar[str] = "Logged answers, matched on the messages."
    billing: ClassVar[Literal["free", "billed", "unknown"]] = "free"

    path: Annotated[
        str, Setting("JSONL file of {messages, completion, ...}.", min_length=1, expected="a path", is_path=True)
    ]

    @property
    def can_write(self) -> bool:
        """No: it knows the answers to the questions in its log."""
        return False

    def lacks(self) -> Iterator[Problem]:
        """The file must be there."""
        if not Path(self.path).is_file():
            yield Problem("path", f"there is no file {self.path}")

    def open(self, code_folder: Path | None) -> Target:
        """Read the whole log into memory; a bad line is an error with its number."""
        return ReplayTarget(Path(self.path))


class ReplayTarget:
    """Answers from a log, matched on the messages alone; parameters are ignored.

    Args:
        path: The JSONL file.

    Raises:
        ConfigError: The file can't be read; names the first 20 bad lines.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = path.read_bytes()
            lines = content.decode("utf-8").split("\n")  # not splitlines: JSON text may hold U+2028
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([Problem("target.path", f"{path} can't be read: {error}")]) from error
        self._identity = f"replay:{hashlib.sha256(content).hexdigest()[:16]}"
        self._answers: dict[Messages, list[Completion]] = {}
        problems: list[Problem] = []
        for number, line in enumerate(lines, start=1):
            if line.strip() and len(problems) < _MOST_PROBLEMS:
                self._read(line, number, problems)
        if not self._answers and not problems:
            problems.append(Problem("target.path", "holds no answer", file=str(path)))
        if problems:
            raise ConfigError(problems)

    @property
    def identity(self) -> str:
        """Changes with the content of the log."""
        return self._identity

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Give the first logged answer; raises as ``complete_repeat``."""
        return await self.complete_repeat(messages, params, 0)

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """Give the logged answer number ``repeat``.

        Raises:
            TargetError: It is not in the log; names the prompt.
        """
        answers = self._answers.get(messages, [])
        if repeat < len(answers):
            return answers[repeat]
        lack = f"holds {len(answers)} of the {repeat + 1} answers" if answers else "holds no answer"
        prompt = " | ".join(f"{message.role}: {excerpt(message.content, 120)}" for message in messages)
        raise TargetError(f"replay {self._path} {lack} to: {excerpt(prompt, 500)}")

    async def aclose(self) -> None:
        """Nothing to free."""

    def _read(self, line: str, number: int, problems: list[Problem]) -> None:
        try:
            row = json.loads(line)
            messages, completion = _messages(row), _completion(row)
        except (ValueError, RecursionError) as error:
            problems.append(Problem("target.path", excerpt(str(error)), file=str(self._path), line=number))
        else:
            self._answers.setdefault(messages, []).append(completion)


def _messages(row: Any) -> Messages:
    items = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(items, list) or not items:
        raise ValueError("messages: expected a list of {role, content}")
    return tuple(_message(item) for item in items)


def _message(item: Any) -> Message:
    if not isinstance(item, dict) or item.get("role") not in _ROLES or not isinstance(item.get("content"), str):
        raise ValueError(f"messages: expected role ({', '.join(_ROLES)}) and content (text)")
    return Message(item["role"], item["content"])


def _completion(row: dict[str, Any]) -> Completion:
    if not isinstance(row.get("completion"), str):
        raise ValueError("completion: expected text")
    return Completion(row["completion"], **dict(_details(row)))


def _details(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in (*_NUMBERS, *_TEXTS):
        value = row.get(name)
        expected: Any = _NUMBERS.get(name, str)
        if value is None:
            continue
        if not isinstance(value, expected) or isinstance(value, bool) or (name in _NUMBERS and value < 0):
            raise ValueError(
                f"{name}: got {value!r}, expected a {'number of at least 0' if name in _NUMBERS else 'text'}"
            )
        yield name, value


if __name__ == "__main__":
    from promptrl.llm.targets.replay_convert import main

    main()
