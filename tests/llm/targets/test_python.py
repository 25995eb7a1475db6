"""A function of the user's own as a target."""

import asyncio
import itertools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import Completion, CompletionError, Message
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.python import PythonTarget
from promptrl.llm.targets.user_functions import load_function
from tests.servers.stub_target import FakeTime, ask

Make = Callable[[str], PythonTarget]
_numbers = itertools.count()
HELLO = (Message("system", "be"), Message("user", "hi"))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Writes a module with a function ``f`` and makes a target of it."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def make_target(source: str) -> PythonTarget:
        name = f"user_module_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        return PythonTarget(f"{name}:f", folder=tmp_path)

    return make_target


@pytest.mark.parametrize("prefix", ["", "async "])
def test_a_plain_and_an_async_function_answer(make: Make, prefix: str) -> None:
    """They get plain lists and dicts."""
    target = make(f"{prefix}def f(messages, params): return f'{{messages}} {{params}}'")
    completion = asyncio.run(target.complete(HELLO, {"temperature": 0}))
    chat = [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]
    assert completion.text == f"{chat} {{'temperature': 0}}"
    assert completion.prompt_tokens is None


def test_a_dict_carries_tokens_and_cost(make: Make) -> None:
    """By the names of a completion."""
    target = make("def f(messages, params): return {'text': 'x', 'prompt_tokens': 3, 'cost_usd': 0.5}")
    completion = asyncio.run(target.complete(HELLO, {}))
    assert (completion.text, completion.prompt_tokens, completion.cost_usd) == ("x", 3, 0.5)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return 3", "returned int"),
        ("return {}", "expected str or a dict"),
        ("return {'text': 'x', 'tokens': 3}", r"unknown keys \['tokens'\]"),
        ("return 1 / 0", "raised ZeroDivisionError: division by zero"),
        ("raise SystemExit(7)", "raised SystemExit: 7"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("raise StopIteration", "raised StopIteration"),
        ("import asyncio; raise asyncio.CancelledError", "raised CancelledError"),
        ("from promptrl import Completion; return Completion(None)", "whose text is nothing, expected text"),
        ("from promptrl import Completion; return Completion('x', finish_reason=3)", "finish_reason is 3"),
        ("return {'text': 'x', 'prompt_tokens': 'many'}", 'prompt_tokens is "many", expected a whole number'),
        ("return {'text': 'x', 'prompt_tokens': -1}", "prompt_tokens is -1"),
        ("return {'text': 'x', 'completion_tokens': 10 ** 400}", "completion_tokens is 10000"),
        ("return {'text': 'x', 'cost_usd': float('nan')}", "cost_usd is NaN"),
    ],
)
def test_a_broken_function_stops_the_run(make: Make, body: str, expected: str) -> None:
    """The message names it, and the field at fault; the engine's loop lives on."""
    target = make(f"def f(messages, params): {body}")
    told = pytest.raises(TargetError, match=f"^user_module_.*{expected}")
    with Engine(target, budget=Budget(max_calls=None), cache=None) as engine, told:
        engine.run([ask("a")])


@pytest.mark.parametrize("error", ["SystemExit(7)", "KeyboardInterrupt", "asyncio.CancelledError", "StopIteration"])
def test_an_async_function_that_ends_everything_stops_the_run(make: Make, error: str) -> None:
    """A cancelled call of its own is no end of the budget."""
    target = make(f"import asyncio\nasync def f(messages, params): raise {error}")
    told = pytest.raises(TargetError, match=r"user_module_.*raised")
    with Engine(target, budget=Budget(max_calls=None), cache=None) as engine, told:
        engine.run([ask("a")])


def test_a_connection_error_is_retried(make: Make, fake_time: FakeTime) -> None:
    """Functions often call a server."""
    target = make(
        "calls = []\n"
        "def f(messages, params):\n"
        "    calls.append(1)\n"
        "    if messages[0]['content'] == 'dead': raise TimeoutError('slow')\n"
        "    if len(calls) == 1: raise ConnectionResetError('gone')\n"
        "    return 'ok'"
    )
    with Engine(
        target, budget=Budget(max_calls=None), cache=None, max_retries=1, clock=fake_time.clock, sleep=fake_time.sleep
    ) as engine:
        (answer,) = engine.run([ask("a")])
        (dead,) = engine.run([ask("dead")])
    assert isinstance(answer, Completion)
    assert isinstance(dead, CompletionError)
    assert dead.kind == "timeout"


def test_plain_functions_run_at_the_same_time(make: Make) -> None:
    """Eight calls that wait for each other all come back."""
    target = make(
        "import threading\nbarrier = threading.Barrier(8)\ndef f(messages, params): barrier.wait(10); return 'ok'"
    )
    with Engine(target, budget=Budget(max_calls=None), cache=None, concurrency=8) as engine:
        assert len(engine.run([ask(f"q{n}") for n in range(8)])) == 8


@pytest.mark.parametrize(
    "name", ["no_colon", ":f", "json:", "no_such_module_here:f", "json:no_such_function", "json:__name__"]
)
def test_a_function_that_can_not_be_had_is_a_config_error(name: str) -> None:
    """Before any call."""
    with pytest.raises(ConfigError, match=r"target\.function"):
        PythonTarget(name)


@pytest.mark.parametrize("arguments", ["messages", "messages, params, more", "messages, *, params"])
def test_a_function_that_takes_something_else_is_a_config_error(make: Make, arguments: str) -> None:
    """Before any call."""
    with pytest.raises(ConfigError, match=r"target\.function: .* can't be called with \(messages, params\)"):
        make(f"def f({arguments}): return 'ok'")


def test_a_module_that_fails_to_import_is_a_config_error(make: Make) -> None:
    """Whatever it raises."""
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        make("1 / 0")


def test_identity_changes_with_the_source(make: Make) -> None:
    """An edited function does not get the old one's cached answers."""
    first, second = (make(f"def f(messages, params): return '{n}'").identity.split(":") for n in (1, 2))
    assert first[0] == "python"
    assert first[-1] != second[-1]


def answer_with(text: object) -> Callable[..., str]:
    """A model of its own for each text."""
    return lambda messages, params: str(text)


class Model:
    """A model that holds its answer."""

    def __init__(self, text: str) -> None:
        self.text = text

    def ask(self, messages: Any, params: Any) -> str:
        """Its answer."""
        return self.text

    __call__ = ask


@pytest.mark.parametrize(
    "model",
    [
        answer_with,
        lambda text: partial(answer_with("").__call__, text),
        lambda text: lambda messages, params, text=text: text,
        Model,
        lambda text: Model(text).ask,
        lambda text: answer_with(Model(text)),
        lambda text: (lambda m, p: "yes") if text == "a" else (lambda m, p: "no"),
    ],
    ids=["closure", "partial", "default", "object", "method", "closure over an object", "lambdas of one file"],
)
def test_models_that_were_handed_over_share_no_answers(model: Callable[[str], Any]) -> None:
    """However they differ: the answers of one are never those of another."""
    assert PythonTarget(model("a")).identity != PythonTarget(model("b")).identity


def test_a_model_that_holds_plain_values_is_known_again() -> None:
    """Made anew, as in a cell that is run twice or in the next process, it gets its kept answers."""
    held = {"name": "x", "steps": [1, 2.5, None, True]}
    assert PythonTarget(answer_with(held)).identity == PythonTarget(answer_with({**held})).identity


@pytest.mark.parametrize(
    ("module", "file", "source"),
    [
        ("{}", "{}.py", "def f(): return '{folder}'"),
        ("{}", "{}/__init__.py", "from .part import f"),
        ("{}.part", "{}/__init__.py", ""),
        ("{}.part", "{}/other.py", ""),
        ("json", "json.py", "def f(): return '{folder}'"),
    ],
    ids=["module", "package", "module of a package", "module of a bare folder", "name of an installed module"],
)
def test_each_folder_has_modules_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, file: str, source: str
) -> None:
    """Two configs may both name ``toymod:f``: each gets the function that lies beside it, also when asked again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    unique = f"user_module_{next(_numbers)}"
    for folder in ("a", "b"):
        path = tmp_path / folder / file.format(unique)
        path.parent.mkdir(parents=True)
        path.write_text(source.format(folder=folder))
        (path.parent / "part.py").write_text(f"def f(): return '{folder}'")
    for folder in ("a", "b", "a"):
        assert load_function(f"{module.format(unique)}:f", tmp_path / folder)() == folder


def test_a_module_that_fails_beside_a_namesake_can_be_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an import leaves nothing behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"user_module_{next(_numbers)}"
    for folder, source in (("a", "def f(): return 'a'"), ("b", "1 / 0")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(source)
    assert load_function(f"{name}:f", tmp_path / "a")() == "a"
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        load_function(f"{name}:f", tmp_path / "b")
    (tmp_path / "b" / f"{name}.py").write_text("def f(): return 'mended'")
    assert load_function(f"{name}:f", tmp_path / "b")() == "mended"


@pytest.mark.parametrize(
    ("module", "helper", "text"),
    [
        ("import {h}\ndef f(m, p): return ''", "{h}.py", "x = {n}"),
        ("def f(m, p):\n    from {h} import x\n    return x", "{h}.py", "x = {n}"),
        ("from {h}.part import x\ndef f(m, p): return x", "{h}/part.py", "x = {n}"),
        ("from {h} import part\ndef f(m, p): return ''", "{h}/part.py", "x = {n}"),
        ("import {h}.part\ndef f(m, p): return ''", "{h}/__init__.py", "x = {n}"),
        ("import {h}_2\ndef f(m, p): return ''", "{h}.py", "x = {n}"),
    ],
    ids=["import", "in a function", "of a folder", "from a folder", "of a package", "in turn"],
)
def test_identity_changes_with_what_the_module_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, helper: str, text: str
) -> None:
    """A helper that changes answers otherwise: kept answers are not for it. A file that nobody imports is no matter."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    number = next(_numbers)
    name, beside = f"user_module_{number}", f"user_helper_{number}"
    file = tmp_path / helper.format(h=beside)
    file.parent.mkdir(exist_ok=True)
    (file.parent / "part.py").touch()
    (tmp_path / f"{name}.py").write_text(module.format(h=beside))
    (tmp_path / f"{beside}_2.py").write_text(f"import {beside}")
    file.write_text(text.format(n=1))
    before = PythonTarget(f"{name}:f", folder=tmp_path).identity
    (tmp_path / "unrelated.py").write_text("x = 1")
    assert PythonTarget(f"{name}:f", folder=tmp_path).identity == before
    file.write_text(text.format(n=2))
    assert PythonTarget(f"{name}:f", folder=tmp_path).identity != before
