"""The target of the page "Add a target" copes with programs that fail, hang, say nothing or change."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import Completion, Message, Target, TransientError
from promptrl.llm.engine.background import background_loop
from tests.docs.pages import module_of

QUESTION = (Message("user", "Hello."),)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """The module that the page shows."""
    with module_of("how-to/add-a-target.md", "promptrl/llm/targets/command.py") as module:
        yield module


def program(folder: Path, line: str, *, first: str = "#!/bin/sh") -> Path:
    """An executable file of one line."""
    folder.mkdir(exist_ok=True)
    path = folder / "model"
    path.write_text(f"{first}\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def opened(page: Any, path: Path) -> Target:
    """The target that runs it in its folder."""
    target: Target = page.CommandTargetDefinition(program=str(path)).open(path.parent)
    return target


def ask(target: Target, timeout_s: float | None = 30) -> Completion:
    """One answer, waited for so long."""

    async def complete() -> Completion:
        async with asyncio.timeout(timeout_s):
            return await target.complete(QUESTION, {})

    return asyncio.run_coroutine_threadsafe(complete(), background_loop()).result()


def test_an_answer_is_what_is_printed(page: Any, tmp_path: Path) -> None:
    """In the folder of the config, from the messages as JSON."""
    assert ask(opened(page, program(tmp_path, "cat; pwd"))).text.endswith(f"}}{tmp_path}")


def test_no_answer_is_a_bad_answer(page: Any, tmp_path: Path) -> None:
    """It scores 0, and says why."""
    assert ask(opened(page, program(tmp_path, "true"))).fault == "empty"


def test_an_answer_belongs_to_program_arguments_and_folder(page: Any, tmp_path: Path) -> None:
    """What differs in one of them is another model."""
    first, second = program(tmp_path / "a", "echo 1"), program(tmp_path / "b", "echo 1")
    definition = page.CommandTargetDefinition(program=str(first))
    targets = [
        definition.open(tmp_path / "a"),
        definition.open(tmp_path / "b"),
        page.CommandTargetDefinition(program=str(first), arguments=("x",)).open(tmp_path / "a"),
        page.CommandTargetDefinition(program=str(second)).open(tmp_path / "a"),
    ]
    program(tmp_path / "a", "echo 2")
    targets.append(definition.open(tmp_path / "a"))
    assert len({target.identity for target in targets}) == len(targets)
    assert definition.open(tmp_path / "a").identity == targets[-1].identity


def test_an_error_of_the_program_may_pass(page: Any, tmp_path: Path) -> None:
    """What it complained of is said."""
    with pytest.raises(TransientError, match="busy"):
        ask(opened(page, program(tmp_path, "echo busy >&2; exit 3")))


def test_what_is_not_waited_for_is_gone(page: Any, tmp_path: Path) -> None:
    """Also what the program started itself."""
    target = opened(page, program(tmp_path, "exec 3> held; echo >&3; sleep 60 & wait"))
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(TimeoutError):
        ask(target, timeout_s=0.5)
    os.set_blocking(held, True)
    assert os.read(held, 1) == b"\n"
    assert os.read(held, 1) == b""  # comes when nobody holds it any more
    os.close(held)


def test_a_program_that_ended_in_time_hides_no_time_out(page: Any, tmp_path: Path) -> None:
    """A process that left its group still holds the output; of the group there is nobody left to end."""
    target = opened(page, program(tmp_path, "setsid sh -c 'echo $$ > pid; exec sleep 60' &"))
    with pytest.raises(TimeoutError):
        ask(target, timeout_s=0.5)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_is_no_program_is_refused(page: Any, tmp_path: Path) -> None:
    """Before a run as far as a look at the file tells, else at the first call."""
    path = program(tmp_path, "echo 1", first="#!/no/such/shell")
    with pytest.raises(TargetError, match="can't be started: No such file"):
        ask(opened(page, path))
    path.chmod(0o644)
    (problem,) = page.CommandTargetDefinition(program=str(path)).lacks()
    assert (problem.key, problem.message) == ("program", f"{path} may not be executed")
    path.unlink()
    (problem,) = page.CommandTargetDefinition(program=str(path)).lacks()
    assert problem.message == f"there is no file {path}"
    with pytest.raises(ConfigError, match=r"target\.program: can't be read"):
        opened(page, path)
