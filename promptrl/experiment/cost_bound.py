"""What a run can cost at most, and will probably cost, before it has: calls, tokens, dollars; no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean

from promptrl.experiment.build import Components
from promptrl.llm.engine.reservations import completion_token_bound, prompt_token_bound
from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.proposer.guards import MOST_TOKENS
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example, accepted_answers

BYTES_PER_TOKEN = 4
"""Of ordinary English text in the vocabularies of today."""


@dataclass(frozen=True, slots=True)
class LikelyCost:
    """What a run will probably cost if it makes all its calls, without what metrics ask of models.

    Attributes:
        prompt_tokens: About how many a prompt takes, as the baseline does on the mean row.
        least_answer_tokens: About how many an answer takes that is as long as the known good one; 1 where none is
            known.
        most_answer_tokens: Of an answer that is as long as it may be; None when ``max_tokens`` is not given.
        least_usd: With the short answers; None when the price is unknown or metrics ask models.
        most_usd: With the long ones; None also when their length is unknown.
    """

    prompt_tokens: int
    least_answer_tokens: int
    most_answer_tokens: int | None
    least_usd: float | None
    most_usd: float | None


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
        asked_by_metrics: Those of ``calls`` that pay for questions of metrics and for proposals, whose tokens nobody
            knows beforehand.
        minutes_at_limit: Minutes that limits per minute make the run take at least; None without such limits.
        likely: What it will probably cost instead.
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
    likely: LikelyCost


def cost_bound(components: Components) -> CostBound:
    """Bound what a run can cost."""
    config, target, plan = components.config, components.loaded.target, components.plan
    calls = plan.answers
    splits = components.splits
    rows = (*splits.train, *splits.validation, *splits.test)
    longest = prompt_bound(longest_prompt(components.space, rows[0]), rows) + _proposed_bound(components)
    answer = completion_token_bound(target.request_params)
    prompt_tokens, completion_tokens = calls * longest, None if answer is None else calls * answer
    per_minute, _ = target.limits_per_minute
    return CostBound(
        calls={**plan.shares, "total": plan.total},
        longest_prompt_tokens=longest,
        baseline_prompt_tokens=prompt_bound(components.space.baseline, rows) // BYTES_PER_TOKEN,
        answer_tokens=answer,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=_cost_usd(components, prompt_tokens, completion_tokens),
        limits={f"budget.{key}": limit for key, limit in config.budget.model_dump().items() if limit is not None},
        asked_by_metrics=tuple(name for name, calls in plan.beside.items() if calls),
        minutes_at_limit=None if per_minute is None else _calls_of_target(components) / per_minute,
        likely=_likely(components, rows, answer),
    )


def _calls_of_target(components: Components) -> int:
    """Calls that the target gets at least: all, but for the share that other models answer at least in part."""
    is_alone = len(components.loaded.models) == 1
    return components.plan.total if is_alone else components.plan.answers


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
    prompt = _usual_tokens(components.space.baseline, rows)
    costs = {"max_tokens": prompt + answer, "max_usd": components.price and components.price.cost_usd(prompt, answer)}
    limits = {name: getattr(budget, name) for name, cost in costs.items() if cost and getattr(budget, name) is not None}
    paid = {name: int(limit / costs[name]) for name, limit in limits.items()}
    first = min(paid, key=lambda name: paid[name], default=None)
    if first is None or paid[first] >= plan.total:
        return None
    return BindingLimit(f"budget.{first}", limits[first], paid[first], plan.shares_of(paid[first]))


def _proposed_bound(components: Components) -> int:
    """By how many tokens edits that are proposed can make the longest prompt longer."""
    rewrite = components.config.edits.proposed
    if rewrite is None:
        return 0
    added = rewrite.rounds * rewrite.keep * MOST_TOKENS * BYTES_PER_TOKEN
    if rewrite.max_prompt_tokens is None:
        return added
    own = len(components.space.baseline.text.encode("utf-8", errors="replace"))
    return min(added, max(0, rewrite.max_prompt_tokens * BYTES_PER_TOKEN - own))


def _likely(components: Components, rows: Sequence[Example], most_answer: int | None) -> LikelyCost:
    """What the calls cost with prompts as long as the baseline is on average, and short or long answers."""
    calls, prompt = components.plan.answers, _usual_tokens(components.space.baseline, rows)
    known = [rough_tokens(accepted_answers(row.reference)[0]) for row in rows if row.reference is not None]
    least = max(1, ceil(mean(known))) if known else 1
    least = least if most_answer is None else min(least, most_answer)
    return LikelyCost(
        prompt_tokens=prompt,
        least_answer_tokens=least,
        most_answer_tokens=most_answer,
        least_usd=_cost_usd(components, calls * prompt, calls * least),
        most_usd=_cost_usd(components, calls * prompt, None if most_answer is None else calls * most_answer),
    )


def _cost_usd(components: Components, prompt_tokens: int, completion_tokens: int | None) -> float | None:
    """Of so many tokens, at most ``budget.max_usd``; None when it can't be known, 0 for what is free."""
    if components.price is None or completion_tokens is None or any(components.plan.beside.values()):
        return 0.0 if all(model.billing == "free" for model in components.loaded.models.values()) else None
    cost_usd = components.price.cost_usd(prompt_tokens, completion_tokens)
    return min(cost_usd, components.config.budget.max_usd or cost_usd)


def _usual_tokens(prompt: Prompt, rows: Sequence[Example]) -> int:
    """About how many tokens a prompt takes on the mean row."""
    return ceil(mean(prompt_token_bound(prompt.render(row.fields)) for row in rows) / BYTES_PER_TOKEN)


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
