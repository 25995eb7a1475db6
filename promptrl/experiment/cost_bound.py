"""What a run can cost at most, before it has cost anything: calls, tokens, dollars; no network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from promptrl.experiment.build import Components
from promptrl.llm.engine.reservations import completion_token_bound, prompt_token_bound
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

BYTES_PER_TOKEN = 4
"""Of ordinary English text in the vocabularies of today."""


@dataclass(frozen=True, slots=True)
class CostBound:
    """The worst case of a run, without attempts that fail and are charged all the same.

    Attributes:
        calls: By stage, and "total".
        longest_prompt_tokens: Bound for the longest prompt within reach on the longest row.
        baseline_prompt_tokens: About how many the baseline takes on the longest row.
        answer_tokens: Most tokens of an answer; None when ``max_tokens`` is not given.
        prompt_tokens: Bound for the whole run, without what metrics ask of models.
        completion_tokens: Likewise; None when unknown.
        cost_usd: Likewise, at most ``budget.max_usd``; None when the price or the length of answers is unknown or
            metrics ask models, 0 for a model in this process or logged answers.
        limits: The limits of the config that are set, by key; where one is lower than the bound, it holds.
        asked_by_metrics: Those of ``calls`` that pay for questions of metrics, whose tokens nobody knows beforehand.
        minutes_at_limit: Minutes that limits per minute make the run take at least; None without such limits.
    """

    calls: Mapping[str, int]
    longest_prompt_tokens: int
    baseline_prompt_tokens: int
    answer_tokens: int | None
    prompt_tokens: int
    completion_tokens: int | None
    cost_usd: float | None
    limits: Mapping[str, float]
    asked_by_metrics: tuple[str, ...]
    minutes_at_limit: float | None


def cost_bound(components: Components) -> CostBound:
    """Bound what a run can cost."""
    config, target, plan = components.config, components.loaded.target, components.plan
    calls = plan.answers
    splits = components.splits
    rows = (*splits.train, *splits.validation, *splits.test)
    longest = prompt_bound(longest_prompt(components.space, rows[0]), rows)
    answer = completion_token_bound(target.request_params)
    prompt_tokens, completion_tokens = calls * longest, None if answer is None else calls * answer
    cost_usd = 0.0 if target.billing == "free" else None
    if components.price is not None and completion_tokens is not None and not any(plan.beside.values()):
        cost_usd = components.price.cost_usd(prompt_tokens, completion_tokens)
        cost_usd = min(cost_usd, config.budget.max_usd or cost_usd)
    per_minute, _ = target.limits_per_minute
    return CostBound(
        calls={**plan.shares, "total": plan.total},
        longest_prompt_tokens=longest,
        baseline_prompt_tokens=prompt_bound(components.space.baseline, rows) // BYTES_PER_TOKEN,
        answer_tokens=answer,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=cost_usd,
        limits={f"budget.{key}": limit for key, limit in config.budget.model_dump().items() if limit is not None},
        asked_by_metrics=tuple(name for name, calls in plan.beside.items() if calls),
        minutes_at_limit=None if per_minute is None else plan.total / per_minute,
    )


@dataclass(frozen=True, slots=True)
class BindingLimit:
    """A limit on tokens or dollars that ends a run before its calls do.

    Attributes:
        key: Of the config.
        limit: Its value.
        calls: About how many it pays for, if answers are as long as they may be.
        shares: Of so many calls, by stage.
    """

    key: str
    limit: float
    calls: int
    shares: Mapping[str, int]


def binding_limit(components: Components) -> BindingLimit | None:
    """The limit that binds first, by the length of the baseline on the rows; None where it is that of the calls.

    Nobody knows before what metrics ask of models costs; nor how much shorter answers are than they may be.
    """
    splits, plan, budget = components.splits, components.plan, components.config.budget
    answer = completion_token_bound(components.loaded.target.request_params)
    if answer is None or any(plan.beside.values()):
        return None
    rows = (*splits.train, *splits.validation, *splits.test)
    bounds = [prompt_token_bound(components.space.baseline.render(row.fields)) for row in rows]
    prompt = math.ceil(sum(bounds) / len(bounds) / BYTES_PER_TOKEN)
    costs = {"max_tokens": prompt + answer, "max_usd": components.price and components.price.cost_usd(prompt, answer)}
    limits = {name: getattr(budget, name) for name, cost in costs.items() if cost and getattr(budget, name) is not None}
    paid = {name: int(limit / costs[name]) for name, limit in limits.items()}
    first = min(paid, key=lambda name: paid[name], default=None)
    if first is None or paid[first] >= plan.total:
        return None
    return BindingLimit(f"budget.{first}", limits[first], paid[first], plan.shares_of(paid[first]))


def prompt_bound(prompt: Prompt, rows: tuple[Example, ...]) -> int:
    """Most tokens that a prompt takes on any of these rows."""
    return max(prompt_token_bound(prompt.render(row.fields)) for row in rows)


def longest_prompt(space: EditSpace, row: Example) -> Prompt:
    """The longest prompt within reach of edits, found by taking every edit that makes the prompt longer.

    The parts of a prompt can be set apart from each other, so that the longest state of each is the longest of all.
    """
    prompt, length = space.baseline, prompt_bound(space.baseline, (row,))
    is_growing = True
    while is_growing:
        is_growing = False
        for action in range(space.n_edits):
            longer = space.apply(prompt, action)
            if (grown := prompt_bound(longer, (row,))) > length:
                prompt, length, is_growing = longer, grown, True
    return prompt
