"""Asks the judges of a run about answers whose verdict is known, before the target is asked for the first time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from promptrl.config.loading import TARGET
from promptrl.config.metrics import QualityConfig
from promptrl.errors import ConfigError, Problem
from promptrl.evaluation.scoring import Scoring
from promptrl.experiment.build import Components, located
from promptrl.experiment.engines import open_model
from promptrl.experiment.session import RunSession
from promptrl.llm.base import CompletionError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.stop import StopSignal
from promptrl.tasks.metrics.base import Pair, Score
from promptrl.tasks.metrics.judge import JudgeMetric
from promptrl.tasks.metrics.judge_check import TIMES, JudgeCheck, checked

Ask = Callable[[JudgeMetric, Sequence[Pair], int], Sequence[Sequence[Score | CompletionError]]]


def check_judges(session: RunSession) -> None:
    """Ask them, and tell how they did.

    Raises:
        ConfigError: One can't be trusted, and the config does not say to go on all the same.
        TargetError: One can't be asked.
    """
    components = session.components

    def ask(judge: JudgeMetric, pairs: Sequence[Pair], times: int) -> Sequence[Sequence[Score | CompletionError]]:
        return session.evaluator.score_again(judge.name, pairs, times)

    checks = []
    for check in _checks(components, ask):
        session.progress.judge_checked(check)
        checks.append(check)
    if checks:
        session.run.write_json("judge_checks.json", [asdict(check) for check in checks])
    refuse_unfit(components, checks)


def examine_judges(components: Components, stop: StopSignal) -> list[JudgeCheck]:
    """Ask them by themselves, past the cache.

    Raises:
        TargetError: One can't be asked.
        ConfigError: One can't be made.
    """

    def ask(judge: JudgeMetric, pairs: Sequence[Pair], times: int) -> Sequence[Sequence[Score | CompletionError]]:
        position = next(at for at, other in _judges(components) if other.name == judge.name)
        key = f"reward.metrics.{position}.judge" if judge.definition.judge else TARGET
        model = components.loaded.models[key]
        budget = Budget(max_calls=None, max_usd=components.config.budget.max_usd)
        with Engine(
            open_model(components, key),
            budget=budget,
            cache=None,
            concurrency=model.calls_in_flight,
            timeout_s=model.timeout_s,
            price=model.known_price,
            stop=stop,
        ) as engine:
            scoring = Scoring(
                [judge], engine=engine, budget=budget, keep=lambda key, answer: None, code_folder=None, known={}
            )
            return scoring.score_again(judge.name, pairs, times)

    return list(_checks(components, ask))


def refuse_unfit(components: Components, checks: Sequence[JudgeCheck]) -> None:
    """Stop where a judge can't be trusted.

    Raises:
        ConfigError: It can't, and the config does not say to go on all the same.
    """
    unfit = {check.metric: check for check in checks if check.faults}
    hint = "mend the rubric or take another model; check: warn goes on all the same"
    problems = [
        Problem(f"reward.metrics.{position}.judge", f"{check.who} {' and '.join(check.faults)}", hint)
        for position, judge in _judges(components)
        if (check := unfit.get(judge.name)) is not None and judge.definition.check == "stop"
    ]
    if problems:
        raise ConfigError(located(components.loaded, problems))


def _judges(components: Components) -> Iterator[tuple[int, JudgeMetric]]:
    """The judges, with their positions in ``reward.metrics``."""
    judges = {metric.name: metric for metric in components.metrics if isinstance(metric, JudgeMetric)}
    for position, metric in enumerate(components.config.reward.metrics):
        if isinstance(metric, QualityConfig) and metric.name in judges:
            yield position, judges[metric.name]


def _checks(components: Components, ask: Ask) -> Iterator[JudgeCheck]:
    for _, judge in _judges(components):
        anchors = judge.anchors(components.splits.train)
        if anchors:
            grades = ask(judge, [anchor.pair for anchor in anchors], TIMES)
            yield checked(judge.name, anchors, grades, judge.binding)
