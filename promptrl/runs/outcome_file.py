"""The files of a run that grow line by line while it works: outcomes, prompts, answers not yet scored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TextIO

from promptrl.evaluation.outcome import AnswerKey, AskKey, Outcome
from promptrl.llm.base import Completion
from promptrl.prompts.prompt import Prompt
from promptrl.runs.formats import ANSWER, ASKED, OUTCOME
from promptrl.runs.reading import damaged, read_lines
from promptrl.runs.writing import put_on_disk, write_line, writing


class OutcomeFile:
    """Appends outcomes to ``outcomes.jsonl``, and each prompt once to ``prompts.jsonl``.

    Answers that no cache keeps are in ``.answers.jsonl`` until they are scored; the file goes when all of them are.

    Args:
        folder: Where to write; a line that an earlier process left torn is cut off first.
        describe: Says in words what a prompt changes.
        on_record: Called after outcomes were written.

    Attributes:
        known: Outcomes that an earlier process wrote.
        unscored: Answers that an earlier process kept and that did not become outcomes.

    Raises:
        RunFolderError: What an earlier process wrote is damaged, or nothing can be written.
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
        self._outcomes_path, self._prompts_path = outcomes, prompts
        for path in (outcomes, prompts, self._answers_path):
            cut_torn_line(path)
        self.known = tuple(read_outcomes(outcomes))
        self._scored = {(outcome.prompt_id, outcome.row_id, outcome.repeat) for outcome in self.known}
        self.unscored: Mapping[AnswerKey, Completion] = _read_unscored(self._answers_path, self._scored)
        self._waiting = {key for key, _ in self.unscored}
        self._texts = {prompt_id: prompt.text for prompt_id, prompt in read_prompts(prompts).items()}
        self._outcomes, self._prompts = open_to_append(outcomes), open_to_append(prompts)

    def keep(self, key: AnswerKey, completion: Completion) -> None:
        """Append and hand to the operating system; called in the engine's event loop.

        Raises:
            RunFolderError: It can't be written.
        """
        if self._answers is None:
            self._answers = open_to_append(self._answers_path)
        (prompt_id, row_id, repeat), question = key
        self._waiting.add(key[0])
        row = {
            "prompt_id": prompt_id,
            "row_id": row_id,
            "repeat": repeat,
            "completion": _completion_to_json(completion),
        }
        if question:
            row["question"] = question
        with writing(self._answers_path):
            write_line(self._answers, row)
            self._answers.flush()

    def _record_prompts(self, prompts: Iterable[Prompt]) -> None:
        """Append those that are not in the file."""
        new = {prompt.prompt_id: prompt for prompt in prompts if prompt.prompt_id not in self._texts}
        if not new:
            return
        with writing(self._prompts_path):
            for prompt_id, prompt in new.items():
                row = {"prompt_id": prompt_id, "edits": list(self._describe(prompt)), **prompt.to_json()}
                write_line(self._prompts, row)
                self._texts[prompt_id] = prompt.text
            put_on_disk(self._prompts)

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Append what is not in the files, prompts before the outcomes that name them.

        They are handed to the operating system, so that killing this process loses nothing; a prompt is on disk before
        an outcome names it.

        Raises:
            RunFolderError: It can't be written, or the run folder was removed.
        """
        self._record_prompts(prompt for prompt, _ in outcomes)
        keys = {(outcome.prompt_id, outcome.row_id, outcome.repeat): outcome for _, outcome in outcomes}
        new = {key: outcome for key, outcome in keys.items() if key not in self._scored}
        if not new:
            return
        with writing(self._outcomes_path):
            self._outcomes_path.stat()  # what is written to a file that was removed is lost
            for outcome in new.values():
                write_line(self._outcomes, _outcome_to_json(outcome))
            self._outcomes.flush()
        self._scored |= new.keys()
        self._waiting -= new.keys()
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
                with suppress(OSError):  # of what could not be written, whoever wrote it was told
                    file.close()
        if not self._waiting:
            with suppress(OSError):
                self._answers_path.unlink(missing_ok=True)


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """The outcomes of a run, in the order in which they were written."""
    return (outcome_from_json(row) for row in read_lines(path, OUTCOME))


def read_prompts(path: Path) -> dict[str, Prompt]:
    """The prompts of a run, by id."""
    found = {}
    for number, row in enumerate(read_lines(path, ASKED), start=1):
        try:
            found[row["prompt_id"]] = Prompt.from_json(row)
        except ValueError as error:
            raise damaged(f"{path}, line {number}", f"holds no prompt: {error}") from error
    return found


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last line break: the start of a line whose writer was killed.

    Raises:
        RunFolderError: The file can't be written.
    """
    if not path.is_file():
        return
    with writing(path):
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)


def open_to_append(path: Path) -> TextIO:
    """Open a file that grows line by line.

    Raises:
        RunFolderError: It can't be written.
    """
    with writing(path):
        return path.open("a", encoding="utf-8", errors="backslashreplace")


def _read_unscored(answers: Path, scored: Set[AskKey]) -> dict[AnswerKey, Completion]:
    """Of the answers kept those without an outcome."""
    rows = read_lines(answers, ANSWER)
    kept = {(_ask_key(row), row.get("question", "")): Completion(**row["completion"]) for row in rows}
    return {key: completion for key, completion in kept.items() if key[0] not in scored}


def _ask_key(row: Mapping[str, Any]) -> AskKey:
    return row["prompt_id"], row["row_id"], row["repeat"]


def _outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """A line of ``outcomes.jsonl``; reasons and judges' answers only where there are any."""
    plain = replace(outcome, scores=dict(outcome.scores), reasons=dict(outcome.reasons))
    row = {field.name: getattr(plain, field.name) for field in fields(plain)}
    reasons, judged, completion = (row.pop(key) for key in ("reasons", "judged", "completion"))
    row["completion"] = _completion_to_json(completion)
    if reasons:
        row["reasons"] = reasons
    return row | ({"judged": [_completion_to_json(answer) for answer in judged]} if judged else {})


def _completion_to_json(completion: Completion) -> dict[str, Any]:
    """An answer; what it does not tell of its cost only where there is such."""
    row = asdict(completion)
    return {name: value for name, value in row.items() if value or not name.startswith("untold")}


def outcome_from_json(row: Mapping[str, Any]) -> Outcome:
    """The outcome of a line of ``outcomes.jsonl``."""
    judged = tuple(Completion(**answer) for answer in row.get("judged", ()))
    return Outcome(**{**row, "completion": Completion(**row["completion"]), "judged": judged})
