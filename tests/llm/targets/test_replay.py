"""Logged answers as a target."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import Message
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.replay import ReplayTarget
from tests.servers.stub_target import ask


def _row(text: str, completion: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "completion": completion, **fields}


def _log(folder: Path, *rows: Any) -> Path:
    path = folder / "log.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_answer_is_found_by_its_messages(tmp_path: Path) -> None:
    """Whatever the parameters; with the numbers of the log."""
    target = ReplayTarget(_log(tmp_path, _row("a", "A", prompt_tokens=3, latency_s=0.5, cost_usd=1), _row("b", "B")))
    completion = asyncio.run(target.complete((Message("user", "a"),), {"temperature": 1}))
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("A", 3, None)
    assert (completion.latency_s, completion.cost_usd) == (0.5, 1)


def test_role_and_every_message_matter(tmp_path: Path) -> None:
    """The same text as the system message is another question."""
    target = ReplayTarget(_log(tmp_path, _row("a", "A")))
    with pytest.raises(TargetError):
        asyncio.run(target.complete((Message("system", "a"),), {}))


def test_a_miss_names_the_prompt_in_short(tmp_path: Path) -> None:
    """One line, without control characters."""
    target = ReplayTarget(_log(tmp_path, _row("a", "A")))
    with pytest.raises(TargetError) as caught:
        asyncio.run(target.complete((Message("system", "be\x1b[31m brief"), Message("user", "why\n" * 500)), {}))
    message = str(caught.value)
    assert "system: be\ufffd[31m brief" in message
    assert "user: why why" in message
    assert len(message) < 700
    assert message.isprintable()


def test_lines_with_the_same_messages_are_repeats(tmp_path: Path) -> None:
    """In the order of the file, whatever the order of asking; one more than logged is a miss."""
    path = _log(tmp_path, _row("a", "first"), _row("a", "second"))
    engine = Engine(ReplayTarget(path), budget=Budget(max_calls=None), cache=None)
    answers = engine.run([ask("a", repeat=1), ask("a", repeat=0), ask("a", repeat=1)])
    assert [answer.text for answer in answers] == ["second", "first", "second"]
    with pytest.raises(TargetError, match="2 of the 3 answers"):
        engine.run([ask("a", repeat=2)])


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    """Before any call."""
    path = _log(
        tmp_path,
        _row("a", "A"),
        "{not json",
        {"completion": "x"},
        {"messages": [{"role": "robot", "content": "x"}], "completion": "x"},
        {"messages": [{"role": "user", "content": "x"}]},
        _row("a", "A", prompt_tokens=-1),
        _row("a", "A", completion_tokens=True),
        _row("a", "A", fault=3),
        "[1]",
    )
    with pytest.raises(ConfigError) as caught:
        ReplayTarget(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {(problem.key, problem.file) for problem in caught.value.problems} == {("target.path", str(path))}


def test_a_line_separator_inside_a_text_is_text(tmp_path: Path) -> None:
    """JSON allows U+2028 as it is."""
    target = ReplayTarget(_log(tmp_path, _row("a\u2028b", "A\u2029B")))
    assert asyncio.run(target.complete((Message("user", "a\u2028b"),), {})).text == "A\u2029B"


@pytest.mark.parametrize("content", [None, "", "\n\n", "[" * 100_000])
def test_a_missing_empty_or_endless_log_is_a_config_error(tmp_path: Path, content: str | None) -> None:
    """The key is named."""
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"target\.path"):
        ReplayTarget(path)


def test_identity_follows_the_content(tmp_path: Path) -> None:
    """Another log is another target, a copy is the same."""
    first = ReplayTarget(_log(tmp_path, _row("a", "A"))).identity
    assert ReplayTarget(_log(tmp_path, _row("a", "A"))).identity == first
    assert ReplayTarget(_log(tmp_path, _row("a", "B"))).identity != first
