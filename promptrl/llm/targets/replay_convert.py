"""Turns tables of logged answers into a log for the ``replay`` target and a data set for the same run.

In: ``prompts.json``, a list of ``{"alias": ..., "text": ...}``; JSONL files (also ``.gz``) of
``{"prompt": alias, "example_idx": row number, "output": text}``; a JSONL file with the questions, row number = line
number from 0. Out: the replay log, and the questions that have answers as a data set with ``id``, ``example_idx`` and
``reference`` added.

In the log, a prompt's text without white space around it is the system message, as the one non-empty slot of a Prompt
renders it, and the question is the user message. So the experiment for it offers these texts and no other edits, which
would have no answers in the log::

    prompt: {user: "{question}", slots: {prompt: ["The answer is:", "Let's think step by step:"]}}
    edits: {bank: none, phrases: false}
    target: {type: replay, path: replay.jsonl}
    dataset: {path: questions.jsonl, input: question, reference: reference}
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptrl.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
        answers: Lines of the replay log.
        prompts: Distinct prompts among them.
        questions: Lines of the data set.
    """

    answers: int
    prompts: int
    questions: int


def convert_prompt_table(
    prompts: Path,
    outputs: Sequence[Path],
    questions: Path,
    *,
    replay: Path,
    dataset: Path,
    question_field: str = "question",
    answer_field: str = "answer",
    answer_after: str | None = None,
) -> Conversion:
    """Join logged answers with their prompts and questions; the files are described at the top of this module.

    Args:
        prompts: JSON list of ``{alias, text}``.
        outputs: JSONL files, gzipped when they end in ``.gz``; two answers to one question are two repeats.
        questions: JSONL file.
        replay: The log to write.
        dataset: The data set to write: the rows of ``questions`` with ``id``, ``example_idx`` and ``reference``.
        question_field: Where a question row has the user message.
        answer_field: Where it has the right answer, which becomes ``reference``.
        answer_after: Only what follows the last occurrence of this is the right answer (GSM8K: ``####``).

    Raises:
        ConfigError: A file can't be read, or a line does not fit; nothing is written.
    """
    texts = _read_prompts(prompts)
    rows = list(_read_lines(questions, {question_field: str, answer_field: object}))
    records: list[dict[str, Any]] = []
    used: dict[int, dict[str, Any]] = {}
    aliases: set[str] = set()
    for path in outputs:
        for line, answer in enumerate(_read_lines(path, {"prompt": str, "example_idx": int, "output": str}), start=1):
            alias, index = answer["prompt"], answer["example_idx"]
            if alias not in texts or not 0 <= index < len(rows):
                unknown = f"prompt {alias!r}" if alias not in texts else f"example_idx {index} of {len(rows)} questions"
                raise ConfigError([Problem("", f"unknown {unknown}", file=str(path), line=line)])
            used[index] = rows[index]
            aliases.add(alias)
            messages = [{"role": "user", "content": rows[index][question_field]}]
            if texts[alias]:
                messages.insert(0, {"role": "system", "content": texts[alias]})
            records.append({"messages": messages, "completion": answer["output"]})
    examples = [
        row | {"id": str(index), "example_idx": index, "reference": _reference(row[answer_field], answer_after)}
        for index, row in sorted(used.items())
    ]
    _write_lines(replay, records)
    _write_lines(dataset, examples)
    return Conversion(answers=len(records), prompts=len(aliases), questions=len(examples))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``convert`` from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m promptrl.llm.targets.replay", description="Logs for the replay target."
    )
    convert = parser.add_subparsers(dest="command", required=True).add_parser(
        "convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    convert.add_argument("--prompts", type=Path, required=True, help="JSON list of {alias, text}")
    convert.add_argument("--outputs", type=Path, required=True, nargs="+", help="JSONL files of answers, also .gz")
    convert.add_argument("--questions", type=Path, required=True, help="JSONL file of questions")
    convert.add_argument("--replay", type=Path, required=True, help="the log to write")
    convert.add_argument("--dataset", type=Path, required=True, help="the data set to write")
    convert.add_argument("--question-field", default="question", help="default: %(default)s")
    convert.add_argument("--answer-field", default="answer", help="default: %(default)s")
    convert.add_argument("--answer-after", help="the right answer follows the last occurrence of this (GSM8K: ####)")
    options = vars(parser.parse_args(arguments))
    options.pop("command")
    try:
        done = convert_prompt_table(**options)
    except ConfigError as error:
        sys.exit(str(error))
    sys.stderr.write(f"{done.answers} answers: {done.prompts} prompts, {done.questions} questions\n")


def _read_prompts(path: Path) -> dict[str, str]:
    try:
        return {item["alias"]: item["text"].strip() for item in json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        problem = Problem("", f"{path}: expected a JSON list of {{alias, text}} ({type(error).__name__}: {error})")
        raise ConfigError([problem]) from error


def _read_lines(path: Path, fields: dict[str, type]) -> Iterator[dict[str, Any]]:
    line_number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in file:
                line_number += 1
                row = json.loads(line)
                for name, kind in fields.items():
                    if not isinstance(row, dict) or name not in row or not isinstance(row[name], kind):
                        raise ValueError(f"expected {name} ({kind.__name__})")
                yield row
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError([Problem("", str(error), file=str(path), line=line_number or None)]) from error


def _reference(answer: Any, after: str | None) -> Any:
    return answer.rpartition(after)[2].strip() if after and isinstance(answer, str) else answer


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
