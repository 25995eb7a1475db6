"""The algorithms that a config can choose: what each is, its settings, and what it needs.

Plain data: imports neither torch nor stable-baselines3, so that a config can be checked without them. A baseline is a
file of its name in ``promptrl/search/baselines`` with a function ``search(context, settings)``, and a line here; an
agent is a line here and its class in ``promptrl/search/agents/build.py``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from promptrl.errors import Problem, suggest
from promptrl.search.hyperparameters import A2C, DQN, OPTIMIZER, PPO, QRDQN, Hyperparameter, Hyperparameters
from promptrl.settings import Setting

DEFAULT_ALGORITHM = "maskable_ppo"
IMAGINED_STEPS = 128
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
"""Names that torch gives devices."""

RowsPerPrompt = Annotated[int, Setting("Train rows that a prompt is asked on when it comes up.", ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """Settings of a search without an agent."""

    rows_per_prompt: RowsPerPrompt = 1


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Settings of a search with an agent of Stable-Baselines3."""

    planning: Annotated[
        Literal["surrogate", "none"],
        Setting(
            "`surrogate`: the agent edits in a learned model and the target is asked only for what it comes up with; "
            "`none`: every step is scored by the target."
        ),
    ] = "surrogate"
    imagined_steps: Annotated[
        int,
        Setting(
            "Steps in the learned model that the agent learns from whenever the calls have grown by half, rounded up "
            "to whole rollouts (`n_steps` x `n_envs`: 128 unless changed); 0: it only acts.",
            ge=0,
            le=1_000_000,
        ),
    ] = IMAGINED_STEPS
    policy: Annotated[Literal["deepsets", "transformer"], Setting("Network that scores the edits.")] = "deepsets"
    rows_per_prompt: RowsPerPrompt = 1
    max_edits: Annotated[
        Annotated[int, Setting(ge=1, le=1000)] | None,
        Setting(
            "Edits in an episode at most; null: one more than there are slots that edits change; "
            "all demonstrations together are one slot, and so are the words of `edits.tokens`."
        ),
    ] = None
    n_envs: Annotated[
        Annotated[int, Setting(ge=1, le=1024)] | None,
        Setting("Parallel episodes; null: 16 in the learned model, 8 on the target."),
    ] = None
    params: Annotated[
        dict[str, Any],
        Setting(
            "What the algorithm's class takes in Stable-Baselines3, by its names; `lin_3e-4` falls to 0 as the calls "
            "are used; `device` is cpu unless said; `policy_kwargs` takes `hidden`, `prior`, `optimizer_kwargs`.",
            expected="a mapping of hyperparameters",
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm.

    Attributes:
        name: As the config calls it.
        summary: What it is, in a few words.
        settings: A frozen dataclass whose annotations say what fits.
        hyperparameters: What ``params`` of an agent may hold; nothing for a baseline.
        is_value_based: Whether an agent learns what edits are worth, rather than how probable to make them.
        fits_builtin: Whether the built-in policy fits its network.
        can_grow: Whether a baseline takes in options that are added while it searches.
        package: What must be installed beside promptrl's own requirements; empty: nothing.
        extra: The extra of promptrl that installs it.
    """

    name: str
    summary: str
    settings: type[Any]
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    is_value_based: bool = False
    fits_builtin: bool = False
    can_grow: bool = False
    package: str = ""
    extra: str = ""

    @property
    def is_agent(self) -> bool:
        """Whether it trains an agent; else it is a baseline."""
        return self.settings is AgentSettings

    def takes_growth(self, settings: Any) -> bool:
        """Whether, with these settings of it, a search takes in options that are added while it works."""
        return settings.planning == "surrogate" if isinstance(settings, AgentSettings) else self.can_grow


def _actor(name: str, summary: str, hyperparameters: Hyperparameters) -> Algorithm:
    return Algorithm(name, summary, AgentSettings, hyperparameters, fits_builtin=True)


def _valuer(name: str, summary: str, hyperparameters: Hyperparameters) -> Algorithm:
    return Algorithm(name, summary, AgentSettings, hyperparameters, is_value_based=True)


def _baseline(name: str, summary: str, *, can_grow: bool = False, package: str = "", extra: str = "") -> Algorithm:
    return Algorithm(name, summary, BaselineSettings, can_grow=can_grow, package=package, extra=extra)


_ALL = (
    _actor("ppo", "an agent of Stable-Baselines3", PPO),
    _actor("maskable_ppo", "an agent of sb3-contrib that never tries an edit without effect", PPO),
    _actor("a2c", "an agent of Stable-Baselines3", A2C),
    _valuer("dqn", "an agent of Stable-Baselines3", DQN),
    _valuer("qrdqn", "an agent of sb3-contrib", QRDQN),
    _baseline("random", "random search"),
    _baseline("greedy", "hill climbing"),
    _baseline("evolution", "a genetic search"),
    _baseline("halving", "sequential halving"),
    _baseline("direct", "a policy gradient whose action is a whole prompt"),
    _baseline("thompson", "posterior sampling with local search", can_grow=True),
    _baseline("tpe", "the tree-structured Parzen estimator of Optuna (extra `tpe`)", package="optuna", extra="tpe"),
)
ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ALL}
AGENTS = tuple(algorithm.name for algorithm in _ALL if algorithm.is_agent)
BASELINES = tuple(algorithm.name for algorithm in _ALL if not algorithm.is_agent)


def check_params(name: str, params: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with an agent's ``params``; empty when all is well.

    Args:
        name: One of ``ALGORITHMS``.
        params: As the user wrote them.

    Returns:
        Problems with keys ``algorithm.params.<name>``.
    """
    known = ALGORITHMS[name].hyperparameters
    numbers = {param: value for param, value in params.items() if param not in ("device", "policy_kwargs")}
    problems = list(_unfit("algorithm.params", numbers, known.known, [*known.known, "device", "policy_kwargs"], name))
    if "device" in params and not DEVICE.fullmatch(str(params["device"])):
        message = f"got {params['device']!r}, expected cpu, cuda, cuda:N, mps or auto"
        problems.append(Problem("algorithm.params.device", message))
    return [*problems, *_wrong_network(name, params)]


def _wrong_network(name: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with ``policy_kwargs``: the network is ours, so it takes other keys than SB3's."""
    key, network = "algorithm.params.policy_kwargs", params.get("policy_kwargs", {})
    if not isinstance(network, Mapping):
        yield Problem(key, f"got {network!r}, expected a mapping")
        return
    known = ALGORITHMS[name].hyperparameters.network
    own = {param: value for param, value in network.items() if param not in ("optimizer_kwargs", "net_arch")}
    yield from _unfit(key, own, known, [*known, "optimizer_kwargs"], f"the policy network of {name}")
    if "net_arch" in network:
        hint = "policy_kwargs.hidden is the width of its layers, algorithm.policy says which"
        yield Problem(f"{key}.net_arch", "means nothing here: the network scores edits with shared weights", hint)
    optimizer = network.get("optimizer_kwargs", {})
    if not isinstance(optimizer, Mapping):
        yield Problem(f"{key}.optimizer_kwargs", f"got {optimizer!r}, expected a mapping")
    elif optimizer and (name == "qrdqn" or (name == "a2c" and params.get("use_rms_prop"))):
        yield Problem(f"{key}.optimizer_kwargs", f"means nothing here: {name} sets its optimizer itself")
    else:
        yield from _unfit(f"{key}.optimizer_kwargs", optimizer, OPTIMIZER, list(OPTIMIZER), "the optimizer")


def _unfit(
    key: str, values: Mapping[str, Any], known: Mapping[str, Hyperparameter], names: Sequence[str], owner: str
) -> Iterator[Problem]:
    """Values that have no meaning, or the wrong type or range."""
    for param, value in values.items():
        if param not in known:
            yield Problem(f"{key}.{param}", f"{owner} has no such parameter", suggest(str(param), sorted(names)))
        elif not known[param].admits(value):
            yield Problem(f"{key}.{param}", f"got {value!r}, expected {known[param].expected}")
