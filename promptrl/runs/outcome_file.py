"""The files of a run that grow line by line while it works: outcomes, prompts, answers not yet scored."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from promptrl.evaluation.outcome import AnswerKey, AskKey, Outcome
from promptrl.llm.base import Completion
from promptrl.prompts.prompt import Prompt


class OutcomeFile:
    """Appends outcomes to ``outcomes.jsonl``, and each prompt once to ``prompts.jsonl``.

    Answers that no cache keeps are in ``.answers.jsonl`` until they are scored; the file goes when all of them are.

    Args:
        folder: Where to write; a line that an earlier process left torn is cut off first.
        describe: Says in words what a prompt changes.
        on_record: Called after outcomes were written.

    Attributes:
        unscored: Answers that an earlier process kept and that did not become outcomes.
    """

    def __init__(
        self,
        folder: Path,
        describe: Callable[[Prompt], Sequence[str]],
        on_record: Callable[[], object] = lambda: None,
    ) -> None:
        self._describe = describe
        self._on_record = on_record
        outcomes, prompts = folder / "outcomes.jsonl", folder / "prompts.jsonl"
        self._answers_path = folder / ".answers.jsonl"
        self._answers: TextIO | None = None
        for path in (outcomes, prompts, self._answers_path):
            cut_torn_line(path)
        self.unscored: Mapping[AnswerKey, Completion] = _read_unscored(self._answers_path, outcomes)
        self._waiting = {key for key, _ in self.unscored}
        self._texts = {str(row["prompt_id"]): Prompt.from_json(row).text for row in read_lines(prompts)}
        self._outcomes: TextIO = outcomes.open("a", encoding="utf-8", errors="backslashreplace")
        self._prompts: TextIO = prompts.open("a", encoding="utf-8", errors="backslashreplace")

    def keep(self, key: AnswerKey, completion: Completion) -> None:
        """Append and hand to the operating system; called in the engine's event loop."""
        if self._answers is None:
            self._answers = self._answers_path.open("a", encoding="utf-8", errors="backslashreplace")
        (prompt_id, row_id, repeat), question = key
        self._waiting.add(key[0])
        row = {"prompt_id": prompt_id, "row_id": row_id, "repeat": repeat, "completion": asdict(completion)}
        if question:
            row["question"] = question
        self._answers.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._answers.flush()

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Append and hand to the operating system, so that killing this process loses nothing."""
        for prompt, outcome in outcomes:
            if prompt.prompt_id not in self._texts:
                self._texts[prompt.prompt_id] = prompt.text
                row = {"prompt_id": prompt.prompt_id, "edits": list(self._describe(prompt)), **prompt.to_json()}
                self._prompts.write(json.dumps(row, ensure_ascii=False) + "\n")
                self._prompts.flush()
            self._outcomes.write(json.dumps(_outcome_to_json(outcome), ensure_ascii=False) + "\n")
        self._outcomes.flush()
        self._waiting -= {(outcome.prompt_id, outcome.row_id, outcome.repeat) for _, outcome in outcomes}
        self._on_record()

    def text_of(self, prompt_id: str) -> str:
        """A recorded prompt to read.

        Raises:
            KeyError: It was never recorded.
        """
        return self._texts[prompt_id]

    def close(self) -> None:
        """Close all files; remove ``.answers.jsonl`` when every answer in it has been scored."""
        for file in (self._outcomes, self._prompts, self._answers):
            if file is not None:
                file.close()
        if not self._waiting:
            self._answers_path.unlink(missing_ok=True)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file, none when it is missing; a torn last line is left out."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last line break: the start of a line whose writer was killed."""
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def _read_unscored(answers: Path, outcomes: Path) -> dict[AnswerKey, Completion]:
    """Of the answers kept those without an outcome."""
    kept = {(_ask_key(row), row.get("question", "")): Completion(**row["completion"]) for row in read_lines(answers)}
    scored = {_ask_key(row) for row in read_lines(outcomes)} if kept else set()
    return {key: completion for key, completion in kept.items() if key[0] not in scored}


def _ask_key(row: Mapping[str, Any]) -> AskKey:
    return row["prompt_id"], row["row_id"], row["repeat"]


def _outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """A line of ``outcomes.jsonl``; reasons and judges' answers only where there are any."""
    row = asdict(replace(outcome, scores=dict(outcome.scores), reasons=dict(outcome.reasons)))
    reasons, judged, completion = (row.pop(key) for key in ("reasons", "judged", "completion"))
    extra = ({"reasons": reasons} if reasons else {}) | ({"judged": judged} if judged else {})
    return {**row, "completion": completion} | extra


def outcome_from_json(row: Mapping[str, Any]) -> Outcome:
    """The outcome of a line of ``outcomes.jsonl``."""
    judged = tuple(Completion(**answer) for answer in row.get("judged", ()))
    return Outcome(**{**row, "completion": Completion(**row["completion"]), "judged": judged})
