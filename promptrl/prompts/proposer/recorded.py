"""The proposer ``recorded``: answers from a file instead of a model, so that a run needs no network.

Two kinds of file: a pool, one proposal a line (``{round, slot, op, text, hypothesis, rows}``), or the
``proposals.jsonl`` of an earlier run. The n-th call is answered with the proposals of the n-th round of the pool, or
with the n-th answer of that run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from promptrl.errors import ConfigError, Problem, TargetError, suggest
from promptrl.llm.base import Completion, Messages, Target, excerpt
from promptrl.llm.targets.definition import TargetDefinition
from promptrl.settings import Setting

BUILTIN = "builtin:"
POOLS = Path(__file__).parent / "pools"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedProposerDefinition(TargetDefinition):
    """Proposals from a file."""

    summary: ClassVar[str] = "Proposals from a file, round by round."
    billing: ClassVar[Literal["free", "billed", "unknown"]] = "free"

    path: Annotated[
        str,
        Setting(
            "JSONL file of proposals, `builtin:NAME`, or the `proposals.jsonl` of a run.",
            min_length=1,
            expected="a path",
            is_path=True,
        ),
    ]

    @property
    def calls_in_flight(self) -> int:
        """One: a search waits for it."""
        return 1

    def lacks(self) -> Iterator[Problem]:
        """The file must be there."""
        if not self._file.is_file():
            name = self.path.removeprefix(BUILTIN)
            is_builtin = name != self.path
            yield Problem("path", f"there is no file {self.path}", suggest(name, builtin_pools()) if is_builtin else "")

    def open(self, code_folder: Path | None) -> Target:
        """Read the whole file; a bad line is an error with its number."""
        return RecordedProposer(self._file)

    @property
    def _file(self) -> Path:
        name = self.path.removeprefix(BUILTIN)
        return Path(self.path) if name == self.path else POOLS / f"{name}.jsonl"


def builtin_pools() -> list[str]:
    """The pools that ship with the package, by name."""
    return sorted(path.stem for path in POOLS.glob("*.jsonl"))


class RecordedProposer:
    """Gives out recorded answers by number.

    Args:
        path: The JSONL file.

    Raises:
        ConfigError: The file can't be read, or a line of it.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            lines = content.decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([Problem("path", f"{path} can't be read: {error}")]) from error
        self._identity = f"recorded:{hashlib.sha256(content).hexdigest()[:16]}"
        rows = [_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        if not rows:
            raise ConfigError([Problem("path", "holds no proposal", file=str(path))])
        self._answers = _answers(rows)

    @property
    def identity(self) -> str:
        """Changes with the content of the file."""
        return self._identity

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Give the first answer."""
        return await self.complete_repeat(messages, params, 0)

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """Give the answer number ``repeat``.

        Raises:
            TargetError: There are no more.
        """
        if repeat >= len(self._answers):
            raise TargetError(f"{len(self._answers)} rounds of proposals are recorded, and no more")
        return Completion(self._answers[repeat], 0, 0, cost_usd=0.0)

    async def aclose(self) -> None:
        """Nothing to free."""


def _answers(rows: list[dict[str, Any]]) -> list[str]:
    """What was answered in a run, or the proposals of a pool round by round."""
    if "answer" in rows[0]:
        return [str((row["answer"] or {}).get("text", "")) for row in rows]
    rounds: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        proposal = {name: value for name, value in row.items() if name != "round"}
        rounds.setdefault(row.get("round", 1), []).append(proposal)
    return [json.dumps(rounds[number], ensure_ascii=False) for number in sorted(rounds)]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("expected an object")
        if "answer" in row and not isinstance(row["answer"], dict | None):
            raise ValueError("answer: expected an object")
        if type(row.get("round", 1)) is not int:
            raise ValueError("round: expected a whole number")
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem("path", excerpt(str(error)), file=str(path), line=number)]) from error
    return row
