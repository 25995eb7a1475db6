"""Targets and metrics of a program's own: what they can, and what is said where they fail."""

import asyncio
import math
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import promptrl
from promptrl.experiment.given import given
from promptrl.llm.base import Completion, Message, Messages, RenamingTarget, RepeatingTarget
from promptrl.llm.targets.function_identity import lasting_identity
from tests.servers import toy_model
from tests.servers.toy_model import CONFIG, write_experiment

HELLO = (Message("user", "1 + 2"),)


class Numbered:
    """A target that tells its answers apart and learns names."""

    identity = "numbered"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Answer 0."""
        return await self.complete_repeat(messages, params, 0)

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """The number."""
        return Completion(str(repeat))

    def sent_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """By another name."""
        return {"other": 1}

    async def aclose(self) -> None:
        """It is the program's."""
        raise AssertionError("closed")


class Plain:
    """A target that answers once, or raises."""

    identity = "plain"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """The same always."""
        if self.error:
            raise self.error
        return Completion("once")

    async def aclose(self) -> None:
        """Nothing."""


def test_a_given_target_can_what_it_can() -> None:
    """Its numbered answers and the names that it learned; closing leaves it open."""
    handed = given(Numbered(), ()).target
    assert handed is not None
    target = handed.open()
    assert isinstance(target, RepeatingTarget)
    assert asyncio.run(target.complete_repeat(HELLO, {}, 3)).text == "3"
    assert isinstance(target, RenamingTarget)
    assert target.sent_params({}) == {"other": 1}
    asyncio.run(target.aclose())


def test_a_given_target_needs_no_more_than_a_target_has() -> None:
    """Then every answer is asked for in the same way."""
    handed = given(Plain(), ()).target
    assert handed is not None
    target = handed.open()
    assert isinstance(target, RepeatingTarget)
    assert asyncio.run(target.complete_repeat(HELLO, {}, 3)).text == "once"


def test_threads_of_a_given_function_end_with_its_run() -> None:
    """The target made of it is promptrl's own."""
    handed = given(toy_model.answer, ()).target
    assert handed is not None
    target = handed.open()
    asyncio.run(target.aclose())
    with pytest.raises(promptrl.TargetError, match="shutdown"):
        asyncio.run(target.complete(HELLO, {}))


@pytest.mark.parametrize("error", [ValueError("gone"), SystemExit(7), asyncio.CancelledError()])
def test_what_a_given_target_raises_is_told_by_its_name(error: BaseException) -> None:
    """As of a function."""
    handed = given(Plain(error), ()).target
    assert handed is not None
    with pytest.raises(promptrl.TargetError, match=f"Plain raised {type(error).__name__}"):
        asyncio.run(handed.open().complete(HELLO, {}))


def model(name: str) -> Callable[..., str]:
    """A model by its name, with a count of its own."""
    asked = 0

    def ask(messages: object, params: object) -> str:
        nonlocal asked
        asked += 1
        return name

    return ask


def test_what_is_handed_over_again_is_told_by_name_and_text() -> None:
    """Not by what changes as it works."""
    first = model("a")
    before = lasting_identity(first)
    first(None, None)
    assert lasting_identity(first) == before == lasting_identity(model("a"))
    others = [model("b"), model, partial(model, "a"), partial(model, name="a"), Plain(), Plain().complete]
    assert len({lasting_identity(other) for other in [first, *others]}) == 1 + len(others)
    assert "secret" not in lasting_identity(model("secret"))


class Scores:
    """A metric object that gives whatever it is told to."""

    name = "own"
    calls_per_answer = 0

    def __init__(self, give: Callable[[int], Any]) -> None:
        self.give = give

    def open(self, context: promptrl.MetricContext) -> "Scores":
        """It is ready."""
        return self

    def score_many(self, batch: Sequence[Any]) -> Any:
        """For so many answers."""
        return self.give(len(batch))


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], promptrl.TrainedRun]:
    """Trains the toy experiment for the metric given."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)
    monkeypatch.chdir(tmp_path)
    path = write_experiment(tmp_path, CONFIG.replace("reward: {metrics: [{type: exact_match}]}", ""))
    overrides = ["budget.max_calls=300", "algorithm={name: random}"]
    return lambda metric: promptrl.train(path, metrics=metric, overrides=overrides)


@pytest.mark.parametrize(
    ("give", "told"),
    [
        (lambda n: [1.0] * (n - 1), "own gave 0 scores for 1 answers"),
        (lambda n: [1.0] * (n + 1), "own gave 2 scores for 1 answers"),
        (lambda n: None, "own gave NoneType for 1 answers"),
        (lambda n: [promptrl.Score(7.0)] * n, "own gave 7.0, expected a number from 0 to 1 on line"),
        (lambda n: ["1"] * n, "own gave '1', expected a number"),
        (
            lambda n: 1 / 0,
            r"own raised ZeroDivisionError: division by zero on line \d+ of \S+sums.csv \('\d+ \+ \d+'\)",
        ),
        (lambda n: sys.exit(3), "own raised SystemExit"),
    ],
)
def test_what_is_no_score_stops_a_run_at_the_first_answer(
    train: Callable[[Any], promptrl.TrainedRun], give: Callable[[int], Any], told: str
) -> None:
    """The metric is named."""
    with pytest.raises(promptrl.ConfigError, match=f"reward.metrics: {told}") as caught:
        train(Scores(give))
    assert "once the metric is mended, promptrl resume" in caught.value.__notes__[0]
    assert len(Path("runs/toy-0001/outcomes.jsonl").read_text().splitlines()) <= 20


def test_rounding_is_cut_off(train: Callable[[Any], promptrl.TrainedRun]) -> None:
    """Sums of parts come to a little more than 1."""
    run = train(Scores(lambda n: [1.0000000000000002] * n))
    assert run.winner.validation is not None
    assert run.winner.validation.score == 1.0


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_scores_that_can_not_be_told_are_missing(train: Callable[[Any], promptrl.TrainedRun], nothing: Any) -> None:
    """Few are borne, more than 5 % stop the run; none is 0."""

    def rarely(example: promptrl.Example, completion: promptrl.Completion) -> Any:
        return nothing if example.fields["question"] == "3 + 4" else 1.0

    def often(example: promptrl.Example, completion: promptrl.Completion) -> Any:
        return nothing if int(example.reference) % 2 else 1.0

    run = train(rarely)
    assert {outcome.score for outcome in run.run.outcomes()} == {1.0}
    with pytest.raises(promptrl.TargetError, match="brought no score; the last one: score: often could not tell"):
        train(often)


def test_a_given_metric_has_the_time_that_its_entry_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it takes longer too often the run stops, with its name and the row."""
    monkeypatch.chdir(tmp_path)
    path = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", "{name: endless, timeout_s: 0.02}"))

    def endless(example: promptrl.Example, completion: promptrl.Completion) -> float:
        time.sleep(60)
        return 1.0

    told = r"score: endless could not tell one on line \d+ of \S+sums.csv \('\d+ \+ \d+'\): it took more than 0.02 s"
    with pytest.raises(promptrl.TargetError, match=told) as caught:
        promptrl.train(path, metrics=endless)
    mend, wait = caught.value.__notes__
    assert re.match(r"It would meet the same again: once the metric is mended, promptrl resume \S+ carries it on", mend)
    assert "raise its timeout_s" in wait
