"""Asks the target of a config one question twice and says what came back: what ``promptrl doctor`` reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.errors import TargetError
from promptrl.experiment.build import Components
from promptrl.experiment.engines import open_target
from promptrl.experiment.judge_stage import examine_judges
from promptrl.llm.base import Completion, RenamingTarget, Request, excerpt
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.reservations import prompt_token_bound
from promptrl.llm.engine.stop import StopSignal
from promptrl.llm.targets.definition import TargetDefinition
from promptrl.tasks.metrics.judge_check import JudgeCheck


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a target is like.

    Attributes:
        target: What it is and where; no secret.
        answer: The first answer, shortened.
        fault: What was wrong with it, if anything.
        finish_reason: As the server says; "length" means that ``max_tokens`` cut it off.
        latencies_s: Seconds of the two answers.
        prompt_tokens: As the server says; None when it does not.
        completion_tokens: Likewise.
        is_deterministic: Whether both answers are the same.
        accepted: The parameters that were sent and not refused, by the names under which they were sent.
        cost_usd: Of one answer; None when price or tokens are unknown.
        price: US dollars for a million tokens in and out; None when unknown.
        advice: What to change in the config, if anything.
        judges: How metrics that are judges did on answers whose verdict is known.
    """

    target: str
    answer: str
    fault: str | None
    finish_reason: str | None
    latencies_s: tuple[float, float]
    prompt_tokens: int | None
    completion_tokens: int | None
    is_deterministic: bool
    accepted: Mapping[str, Any]
    cost_usd: float | None
    price: tuple[float, float] | None
    advice: tuple[str, ...]
    judges: tuple[JudgeCheck, ...] = ()


def examine(components: Components, stop: StopSignal) -> Diagnosis:
    """Ask the baseline prompt on the shortest train row, twice, past the cache; and judges what they must know.

    Raises:
        TargetError: It gives no answer.
        ConfigError: It can't be made.
    """
    definition = components.loaded.target
    params = definition.request_params
    prompts = [components.space.baseline.render(row.fields) for row in components.splits.train]
    request = Request(min(prompts, key=prompt_token_bound), params)
    target = open_target(components)
    budget = Budget(max_calls=2, max_usd=components.config.budget.max_usd)
    timeout_s = definition.timeout_s
    with Engine(
        target, budget=budget, cache=None, max_retries=2, timeout_s=timeout_s, price=components.price, stop=stop
    ) as engine:
        first, second = (_ask(engine, request) for _ in range(2))
        accepted = target.sent_params(params) if isinstance(target, RenamingTarget) else params
    price = components.price
    return Diagnosis(
        target=target.identity,
        answer=excerpt(first.text),
        fault=first.fault,
        finish_reason=first.finish_reason,
        latencies_s=(first.latency_s, second.latency_s),
        prompt_tokens=first.prompt_tokens,
        completion_tokens=first.completion_tokens,
        is_deterministic=first.text == second.text,
        accepted=accepted,
        cost_usd=first.cost_usd,
        price=(price.input_per_million, price.output_per_million) if price else None,
        advice=tuple(_advice(first, second, definition)),
        judges=tuple(examine_judges(components, stop)),
    )


def _ask(engine: Engine, request: Request) -> Completion:
    (answer,) = engine.run([request])
    if not isinstance(answer, Completion):
        raise TargetError(f"no answer: {answer.kind}: {answer.message}")
    return answer


def _advice(first: Completion, second: Completion, target: TargetDefinition) -> list[str]:
    advice = []
    params = target.request_params
    if first.fault in ("only_thoughts", "no_answer") or first.finish_reason == "length":
        advice.append("the answer was cut off: raise target.params.max_tokens")
    if first.text != second.text and params.get("temperature") == 0:
        advice.append("the same question had two answers at temperature 0: scores will be noisier")
    if first.prompt_tokens is None:
        advice.append("the server reports no tokens: budgets in tokens or dollars charge the most an attempt can cost")
    if first.cost_usd is None and target.billing == "billed":
        advice.append("the cost is unknown: give target.price to see it and to limit it")
    return advice
