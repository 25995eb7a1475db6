"""Search without planning: an SB3 agent learns on the live model, every step a real evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

from promptrl.errors import BudgetExhaustedError
from promptrl.prompts.prompt import Prompt
from promptrl.search.agents.build import AgentChoice, build_agent, choose_action, make_logger, one_torch_thread
from promptrl.search.context import SearchContext
from promptrl.search.events import SearchProgress
from promptrl.search.live.env import PromptVecEnv
from promptrl.search.live.episodes import Episodes
from promptrl.search.result import Candidate, Decision, SearchResult, StopReason
from promptrl.tasks.dataset import Example

REFINE_SHARE = 0.2
REFINE_WIDTH = 8
IDLE_STEPS_PER_ENV = 100
LIVE_ENVS = 8
MIN_BATCHES = 10


@dataclass(frozen=True, slots=True)
class LiveSettings(AgentChoice):
    """How an agent learns on the live model.

    Attributes:
        rows_per_prompt: Rows that an episode scores each of its prompts on.
        n_envs: Environments side by side: a step of all is one batch of calls. Fewer when the calls would not pay
            for ten such batches.
    """

    rows_per_prompt: int = 1
    n_envs: int = LIVE_ENVS


def search_live(context: SearchContext, settings: LiveSettings) -> SearchResult:
    """Train an agent on the live model until the search's calls are spent or nothing new is asked.

    The last fifth of the calls goes to the agent's greedy rollout and to the leading prompts, on rows they have
    not answered.

    Args:
        context: What to search.
        settings: How.

    Returns:
        The candidates, best first, and the trained agent.

    Raises:
        ConfigError: The space is to grow.
        TargetError: The model can't be asked any more.
    """
    context.require_fixed_space()
    rows_each = settings.rows_per_prompt
    n_envs = max(1, min(settings.n_envs, context.evaluator.calls_left("search") // (MIN_BATCHES * rows_each)))
    env = _make_env(context, settings, n_envs)
    model = build_agent(
        settings.algorithm,
        VecMonitor(env),
        policy=settings.policy,
        params=settings.params,
        seed=context.seed,
        remaining=lambda: env.episodes.share_left,
    )
    model.set_logger(make_logger(context.emit))
    progress = _Progress(env.episodes, context)
    decisions: tuple[Decision, ...] = ()
    with one_torch_thread():
        _learn(model, progress, rows_each)
        if progress.stop_reason != "stopped":
            _, decisions = rollout_greedily(model, env.episodes)
            _refine(env.episodes, n_envs * rows_each, np.random.default_rng(context.seed), progress)
    if progress.calls_left == 0:
        progress.stop_reason = "budget"
    candidates = tuple(_candidates(env.episodes))
    return SearchResult(
        candidates, progress.stop_reason, model.num_timesteps, progress.calls_used, context.space, model, decisions
    )


def _make_env(context: SearchContext, settings: LiveSettings, n_envs: int) -> PromptVecEnv:
    return PromptVecEnv(
        context.space,
        context.evaluator,
        context.rows,
        n_envs=n_envs,
        rows_per_prompt=settings.rows_per_prompt,
        max_edits=settings.max_edits,
        seed=context.seed,
    )


def _candidates(episodes: Episodes) -> Iterator[Candidate]:
    """Every prompt asked, the best first."""
    ids = tuple(episodes.prompts)
    for ranked in episodes.estimates.ranking():
        yield Candidate(episodes.prompts[ids[ranked.index]], ranked.mean, ranked.sd, ranked.answers)


def _learn(model: BaseAlgorithm, progress: "_Progress", rows_per_prompt: int) -> None:
    """Train until the progress says stop, or the budget does."""
    try:
        model.learn(_step_cap(progress.calls_allowed, rows_per_prompt), callback=progress, log_interval=1)
    except BudgetExhaustedError:
        progress.stop_reason = "budget"


def rollout_greedily(model: BaseAlgorithm, episodes: Episodes) -> tuple[Prompt, tuple[Decision, ...]]:
    """Follow the agent's best action from the baseline under the posterior mean; asks for what it passes.

    Returns:
        Where it ends, or where it was when the calls ran out, and what it decided on the way.
    """
    greedy = Episodes(
        episodes.space,
        episodes.evaluator,
        episodes.rows,
        rows_per_prompt=episodes.rows_per_prompt,
        max_edits=episodes.max_edits,
        is_exploring=False,
        estimates=episodes.estimates,
    )
    greedy.prompts = episodes.prompts
    decisions: list[Decision] = []
    is_done = False
    while not is_done:
        decisions.append(choose_action(model, greedy.observe(0)))
        try:
            transition = greedy.step([decisions[-1].action])[0]
        except BudgetExhaustedError:
            break
        is_done = transition.terminated or transition.truncated
    return greedy.episodes[0].prompt, tuple(decisions)


def _refine(episodes: Episodes, batch_size: int, rng: np.random.Generator, progress: "_Progress") -> None:
    """Spend what is left on the leading prompts (by mean + one deviation), on rows new to them."""
    rows_each = max(1, batch_size // REFINE_WIDTH)
    tried: set[tuple[str, str]] = set()
    while not progress.must_stop():
        ranking = sorted(episodes.estimates.ranking(), key=lambda r: -(r.mean + r.sd))
        ids = tuple(episodes.prompts)
        leaders = (episodes.prompts[ids[leader.index]] for leader in ranking)
        new_rows = ((prompt, _untried(episodes, prompt, tried)) for prompt in leaders)
        chosen = islice(((prompt, rows) for prompt, rows in new_rows if rows), REFINE_WIDTH)
        asks = [(prompt, rows[i]) for prompt, rows in chosen for i in rng.permutation(len(rows))[:rows_each]]
        asks = asks[: progress.calls_left]
        if not asks:
            return
        tried.update((prompt.prompt_id, row.id) for prompt, row in asks)
        try:
            episodes.learn_answers(asks)
        except BudgetExhaustedError:
            progress.stop_reason = "budget"
            return
        progress.emit()


def _untried(episodes: Episodes, prompt: Prompt, tried: set[tuple[str, str]]) -> list[Example]:
    """Rows that a prompt has neither an answer on nor was asked on in vain."""
    asked = (
        episodes.estimates.has(prompt.prompt_id, row.id) or (prompt.prompt_id, row.id) in tried for row in episodes.rows
    )
    return [row for row, was_asked in zip(episodes.rows, asked, strict=True) if not was_asked]


def _step_cap(calls: int, rows_per_prompt: int) -> int:
    """More steps than the calls can pay for, unless most answers are known: then the idle limit ends the search."""
    return max(1, 4 * calls // rows_per_prompt)


class _Progress(BaseCallback):
    """Reports after every batch of answers and says when training must end."""

    def __init__(self, episodes: Episodes, context: SearchContext) -> None:
        super().__init__()
        self.stop_reason: StopReason = "converged"
        self._episodes = episodes
        self._context = context
        self._calls_reported = self._idle_steps = 0

    @property
    def calls_left(self) -> int:
        return self._episodes.evaluator.calls_left("search")

    @property
    def calls_used(self) -> int:
        return self._episodes.calls_used

    @property
    def calls_allowed(self) -> int:
        return self.calls_used + self.calls_left

    def must_stop(self) -> bool:
        if self._context.should_stop():
            self.stop_reason = "stopped"
        return self.stop_reason == "stopped"

    def emit(self) -> None:
        """Send one ``SearchProgress``, and have its figures logged with SB3's."""
        self._calls_reported = self.calls_used
        estimates = self._episodes.estimates
        best = estimates.ranking()[0] if len(estimates) else None
        progress = SearchProgress(
            calls_used=self.calls_used,
            calls_allowed=self.calls_allowed,
            env_steps=self.num_timesteps,
            prompts_seen=len(estimates),
            best_prompt_id=tuple(self._episodes.prompts)[best.index] if best else None,
            best_mean=best.mean if best else 0.0,
            best_sd=best.sd if best else 0.0,
            baseline_mean=self._episodes.featurizer.baseline_value(),
        )
        for name in ("calls_used", "prompts_seen", "best_mean", "best_sd", "baseline_mean"):
            self.logger.record(f"search/{name}", getattr(progress, name))
        self._context.emit(progress)

    def _on_step(self) -> bool:
        self._idle_steps = 0 if self.calls_used > self._calls_reported else self._idle_steps + 1
        if self.calls_used > self._calls_reported:
            self.emit()
        if self.calls_left <= int(REFINE_SHARE * self.calls_allowed):
            return False
        return self._idle_steps < IDLE_STEPS_PER_ENV and not self.must_stop()
