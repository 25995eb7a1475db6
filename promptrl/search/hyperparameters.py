"""Which hyperparameters each agent takes, under SB3's own names, with types, ranges and our defaults.

Plain data: imports neither torch nor stable-baselines3, so that a config can be checked without them. The defaults
are for budgets of thousands of calls, where SB3's (``n_steps=2048``) would end before the first update. Chosen on
random factorial landscapes with 1,000 to 2,000 calls and one row a prompt, where learning rates from 3e-4 to 3e-3
(DQN: 1e-4 to 1e-3) did equally well within noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan

MAX_BUFFER_SIZE = 20_000
HIDDEN = 32
"""Width of every layer of the policy network, unless ``policy_kwargs`` says another."""
HEADS = 4
"""Of its attention; they share the width."""
LINEAR = "lin_"
"""Begins a value that falls to 0 while the calls are used, as rl-baselines3-zoo writes it: ``lin_3e-4``."""

Value = float | int | bool | None


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One number or switch of an algorithm.

    Attributes:
        type: What it must be; a whole number is a good float.
        low: Least value.
        high: Greatest value; None = no limit.
        is_low_open: Whether ``low`` itself is too little.
        is_nullable: Whether null is allowed.
        is_scheduled: Whether it may fall while the search goes on.
        step: What it must be a multiple of.
    """

    type: type
    low: float = 0.0
    high: float | None = None
    is_low_open: bool = False
    is_nullable: bool = False
    is_scheduled: bool = False
    step: int = 1

    @property
    def expected(self) -> str:
        """What fits, in words: ``a number, above 0, at most 1``."""
        if self.type is bool:
            return "true or false"
        kind = "a whole number" if self.type is int else "a number"
        low = f"{self.low:g}"
        if self.high is not None:
            limits = f"above {low}, at most {self.high:g}" if self.is_low_open else f"{low} to {self.high:g}"
        else:
            limits = f"above {low}" if self.is_low_open else f"at least {low}"
        multiple = f", a multiple of {self.step}" if self.step > 1 else ""
        null = ", or null" if self.is_nullable else ""
        return f"{kind}, {limits}{multiple}{null}{f', or such a number after {LINEAR}' if self.is_scheduled else ''}"

    def admits(self, value: object) -> bool:
        """Whether a value has the right type and range."""
        if value is None:
            return self.is_nullable
        if self.is_scheduled and isinstance(value, str):
            return self.admits(linear_from(value))
        if self.type is bool or isinstance(value, bool):
            return self.type is bool and isinstance(value, bool)
        if not isinstance(value, int if self.type is int else int | float):
            return False
        if not isfinite(value) or (self.high is not None and value > self.high):
            return False
        if self.step > 1 and value % self.step:
            return False
        return bool(value > self.low if self.is_low_open else value >= self.low)


def linear_from(text: str) -> float:
    """The first value of a linear schedule; NaN for any other text."""
    try:
        return float(text.removeprefix(LINEAR)) if text.startswith(LINEAR) else nan
    except ValueError:
        return nan


_SHARE = Hyperparameter(float, 0, 1)
_POSITIVE = Hyperparameter(float, 0, None, is_low_open=True)
_RATE = Hyperparameter(float, 0, 1, is_low_open=True)
_SCHEDULED = Hyperparameter(float, 0, 1, is_low_open=True, is_scheduled=True)
_NOT_NEGATIVE = Hyperparameter(float, 0)
_COUNT = Hyperparameter(int, 1)
_SWITCH = Hyperparameter(bool)

_COMMON = {
    "learning_rate": _SCHEDULED,
    "gamma": _SHARE,
    "max_grad_norm": _POSITIVE,
    "stats_window_size": _COUNT,
}
_ON_POLICY = {
    **_COMMON,
    "n_steps": _COUNT,
    "gae_lambda": _SHARE,
    "ent_coef": _NOT_NEGATIVE,
    "vf_coef": _NOT_NEGATIVE,
    "normalize_advantage": _SWITCH,
}
_PPO = {
    **_ON_POLICY,
    "n_steps": Hyperparameter(int, 2),
    "batch_size": Hyperparameter(int, 2),
    "n_epochs": _COUNT,
    "clip_range": _SCHEDULED,
    "clip_range_vf": Hyperparameter(float, 0, None, is_low_open=True, is_nullable=True, is_scheduled=True),
    "target_kl": Hyperparameter(float, 0, None, is_low_open=True, is_nullable=True),
}

_DQN = {
    **_COMMON,
    "buffer_size": Hyperparameter(int, 1, MAX_BUFFER_SIZE),
    "learning_starts": Hyperparameter(int, 0),
    "batch_size": _COUNT,
    "tau": _RATE,
    "train_freq": _COUNT,
    "gradient_steps": Hyperparameter(int, -1),
    "n_steps": _COUNT,
    "target_update_interval": _COUNT,
    "exploration_fraction": _RATE,
    "exploration_initial_eps": _SHARE,
    "exploration_final_eps": _SHARE,
}

_NETWORK = {"hidden": Hyperparameter(int, HEADS, 1024, step=HEADS), "prior": _NOT_NEGATIVE}
OPTIMIZER = {"eps": _POSITIVE, "weight_decay": _NOT_NEGATIVE}
"""What ``policy_kwargs.optimizer_kwargs`` may hold."""

_PPO_DEFAULTS: Mapping[str, Value] = {
    "learning_rate": 1e-3,
    "n_steps": 8,
    "batch_size": 64,
    "n_epochs": 4,
    "gamma": 1.0,
    "gae_lambda": 0.95,
    "ent_coef": 0.0,
}
_A2C_DEFAULTS: Mapping[str, Value] = {
    "learning_rate": 3e-3,
    "n_steps": 8,
    "gamma": 1.0,
    "gae_lambda": 0.95,
    "ent_coef": 0.0,
    "use_rms_prop": False,
}
_DQN_DEFAULTS: Mapping[str, Value] = {
    "learning_rate": 1e-4,
    "buffer_size": 5_000,
    "learning_starts": 64,
    "batch_size": 64,
    "gamma": 1.0,
    "train_freq": 1,
    "gradient_steps": 1,
    "target_update_interval": 200,
    "exploration_fraction": 0.1,
    "exploration_initial_eps": 0.1,
    "exploration_final_eps": 0.02,
}
_IMAGINED_DQN: Mapping[str, Value] = {
    **_DQN_DEFAULTS,
    "learning_rate": 1e-3,
    "buffer_size": MAX_BUFFER_SIZE,
    "batch_size": 128,
}


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What ``params`` of an agent may hold, and what holds where they say nothing.

    Attributes:
        known: By SB3's own names.
        defaults: Ours where every step is scored by the target.
        imagined_defaults: Those for episodes in the surrogate, whose steps cost no call.
        network: What ``policy_kwargs`` may hold beside ``optimizer_kwargs``.
    """

    known: Mapping[str, Hyperparameter] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    imagined_defaults: Mapping[str, Value] = field(default_factory=dict)
    network: Mapping[str, Hyperparameter] = field(default_factory=lambda: _NETWORK)


PPO = Hyperparameters(_PPO, _PPO_DEFAULTS, {**_PPO_DEFAULTS, "batch_size": 128, "ent_coef": 0.01})
A2C = Hyperparameters(
    {**_ON_POLICY, "rms_prop_eps": _POSITIVE, "use_rms_prop": _SWITCH},
    _A2C_DEFAULTS,
    {**_A2C_DEFAULTS, "learning_rate": 1e-3, "ent_coef": 0.01},
)
DQN = Hyperparameters(_DQN, _DQN_DEFAULTS, _IMAGINED_DQN)
QRDQN = Hyperparameters(
    {name: known for name, known in _DQN.items() if name != "n_steps"},
    _DQN_DEFAULTS,
    _IMAGINED_DQN,
    network={**_NETWORK, "n_quantiles": Hyperparameter(int, 1, 1000)},
)
