"""The policy network: every edit is scored by the same weights from its feature row and a pooled context.

Nothing in it depends on how many edits there are or in which order they stand: permuting the edits permutes the
scores, and ``load_state_dict`` moves a policy from one edit space to another. ``deepsets`` is Zaheer et al. 2017
(pooled context), ``transformer`` is self-attention over the edits (Vaswani et al. 2017, no positions).

An untrained policy already follows its observation: the first score of an edit is ``prior`` × its effect in the
episode's draw, and the networks add to it what training teaches. Invalid edits are left out of the pooling and get
no probability.
"""

from typing import Any, Literal, cast

import torch
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.qrdqn.policies import QRDQNPolicy, QuantileNetwork
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import Tensor, nn

from promptrl.search.hyperparameters import HEADS, HIDDEN
from promptrl.search.observation import COLUMN, N_FEATURES, REWARD_SCALE

Encoder = Literal["deepsets", "transformer"]

ATTENTION_LAYERS = 2
LOGIT_PRIOR = 4.0
TYPICAL_SPREAD = 0.1
Q_PRIOR = REWARD_SCALE * TYPICAL_SPREAD
"""On the live model the draw column is in spreads of the draw, the reward in units of the objective."""
IMAGINED_Q_PRIOR = 1.0
"""In the imagination the draw column and the reward have one scale."""
QUANTILES = 25
IMPOSSIBLE = -1e8


class EditScorer(nn.Module):
    """Scores edits and sums up the whole table.

    Args:
        observation_size: ``n_actions * N_FEATURES``.
        encoder: How rows see each other.
        hidden: Width of every layer.
        prior: First weight of the draw column in an edit's score.
        n_scores: Scores of each edit: quantiles of its return where there are several.
    """

    def __init__(self, observation_size: int, encoder: Encoder, hidden: int, prior: float, n_scores: int = 1) -> None:
        super().__init__()
        self.n_scores = n_scores
        self.latent_dim_pi = observation_size // N_FEATURES
        self.latent_dim_vf = hidden
        self.embed = nn.Sequential(nn.Linear(N_FEATURES, hidden), nn.Tanh())
        self.mix = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh()) if encoder == "deepsets" else _attention(hidden)
        self.is_attentive = encoder == "transformer"
        self.context = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh())
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, n_scores))
        self.prior = nn.Linear(N_FEATURES, 1, bias=False)
        self.start_from(prior)

    def start_from(self, prior: float) -> None:
        """Make the scores those of the prior: ``prior`` × the draw column, nothing from the networks."""
        last = cast(nn.Linear, self.head[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        nn.init.zeros_(self.prior.weight)
        with torch.no_grad():
            self.prior.weight[0, COLUMN["effect_draw"]] = prior

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Scores, shape (batch, n_actions[, n_scores]), and the pooled context, shape (batch, hidden)."""
        rows, encoded, pooled = self._encode(observations)
        return self._scores(rows, encoded, pooled), pooled

    def forward_actor(self, observations: Tensor) -> Tensor:
        """Scores with invalid edits ruled out, shape (batch, n_actions)."""
        scores, _ = self.forward(observations)
        return scores

    def forward_critic(self, observations: Tensor) -> Tensor:
        """The pooled context, shape (batch, hidden)."""
        _, _, pooled = self._encode(observations)
        return pooled

    def _encode(self, observations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = observations.view(len(observations), -1, N_FEATURES)
        valid = rows[:, :, COLUMN["is_valid"]] > 0.5
        encoded = self.embed(rows)
        encoded = self.mix(encoded, src_key_padding_mask=~valid) if self.is_attentive else self.mix(encoded)
        kept = valid.unsqueeze(-1)
        highest = encoded.masked_fill(~kept, -torch.inf).amax(1)
        mean = (encoded * kept).sum(1) / kept.sum(1)
        return rows, encoded, self.context(torch.cat([highest, mean], -1))

    def _scores(self, rows: Tensor, encoded: Tensor, pooled: Tensor) -> Tensor:
        shared = pooled.unsqueeze(1).expand(-1, rows.shape[1], -1)
        scores: Tensor = self.head(torch.cat([encoded, shared], -1)) + self.prior(rows)
        return scores.squeeze(-1) if self.n_scores == 1 else scores


def rule_out_invalid(scores: Tensor, observations: Tensor) -> Tensor:
    """Scores with those of invalid edits pushed below all others, shape (batch, n_actions)."""
    rows = observations.view(len(observations), -1, N_FEATURES)
    return scores.masked_fill(rows[:, :, COLUMN["is_valid"]] <= 0.5, IMPOSSIBLE)


class _EditActor(EditScorer):
    """The scorer as SB3's actor-critic policies call it: its scores are the logits."""

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        scores, pooled = super().forward(observations)
        return rule_out_invalid(scores, observations), pooled


def _attention(hidden: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(hidden, HEADS, dim_feedforward=2 * hidden, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, ATTENTION_LAYERS, enable_nested_tensor=False)


class _ScoresAsLogits:
    """Puts the shared-weight network into an SB3 actor-critic policy: the scores of the edits are the logits."""

    mlp_extractor: Any
    action_net: Any
    features_dim: int

    def __init__(
        self, *args: Any, encoder: Encoder = "deepsets", hidden: int = HIDDEN, prior: float = LOGIT_PRIOR, **kwargs: Any
    ) -> None:
        self.net_options: dict[str, Any] = {"encoder": encoder, "hidden": hidden, "prior": prior}
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = _EditActor(self.features_dim, **self.net_options)

    def _build(self: Any, lr_schedule: Schedule) -> None:
        """Build as SB3 does, then drop its last layer (as wide as there are edits) and its random start of the head."""
        super()._build(lr_schedule)  # type: ignore[misc]  # a mixin: SB3's policy comes after it
        self.action_net = nn.Identity()
        self.mlp_extractor.start_from(self.net_options["prior"])
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.net_options}  # type: ignore[misc]  # likewise


class EditActorCriticPolicy(_ScoresAsLogits, ActorCriticPolicy):
    """The shared-weight network inside SB3's policy for PPO and A2C.

    Args:
        *args: As SB3 gives them.
        encoder: How edits see each other.
        hidden: Width of every layer.
        prior: First weight of the draw column in the logits.
        **kwargs: As SB3 gives them.
    """


class EditMaskablePolicy(_ScoresAsLogits, MaskableActorCriticPolicy):
    """The same for MaskablePPO; arguments as for ``EditActorCriticPolicy``."""


class EditQNetwork(QNetwork):
    """Q values by the shared-weight network; the greedy action is the best *valid* edit."""

    def __init__(self, *args: Any, net_options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "net_arch": []})
        self.net_options = net_options
        scorer = EditScorer(self.features_dim, **net_options)
        self.q_net = scorer  # type: ignore[assignment]  # SB3 wants a Sequential, but only calls it

    def forward(self, obs: PyTorchObs) -> Tensor:
        """Q values, shape (batch, n_actions)."""
        scores: Tensor = self.q_net(self.extract_features(obs, self.features_extractor))[0]
        return scores

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        scores = self(observation)
        return rule_out_invalid(scores, cast(Tensor, observation)).argmax(dim=1).reshape(-1)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "net_options": self.net_options}


class EditDQNPolicy(DQNPolicy):
    """The shared-weight network inside SB3's DQN policy; arguments as for ``EditActorCriticPolicy``."""

    def __init__(
        self, *args: Any, encoder: Encoder = "deepsets", hidden: int = HIDDEN, prior: float = Q_PRIOR, **kwargs: Any
    ) -> None:
        self.net_options: dict[str, Any] = {"encoder": encoder, "hidden": hidden, "prior": prior}
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """A Q network with its own weights."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return EditQNetwork(**arguments, net_options=self.net_options).to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.net_options}


class EditQuantileNetwork(QuantileNetwork):
    """Quantiles of every edit's return by the shared-weight network; the greedy action is the best *valid* edit."""

    def __init__(self, *args: Any, net_options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "net_arch": []})
        self.net_options = net_options
        scorer = EditScorer(self.features_dim, **net_options, n_scores=self.n_quantiles)
        self.quantile_net = scorer  # type: ignore[assignment]  # likewise

    def forward(self, obs: PyTorchObs) -> Tensor:
        """Quantiles, shape (batch, n_quantiles, n_actions)."""
        scores: Tensor = self.quantile_net(self.extract_features(obs, self.features_extractor))[0]
        return scores.transpose(1, 2)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        scores = self(observation).mean(dim=1)
        return rule_out_invalid(scores, cast(Tensor, observation)).argmax(dim=1).reshape(-1)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "net_options": self.net_options}


class EditQRDQNPolicy(QRDQNPolicy):
    """The shared-weight network inside QR-DQN's policy; arguments as for ``EditActorCriticPolicy``."""

    def __init__(
        self,
        *args: Any,
        encoder: Encoder = "deepsets",
        hidden: int = HIDDEN,
        prior: float = Q_PRIOR,
        n_quantiles: int = QUANTILES,
        **kwargs: Any,
    ) -> None:
        self.net_options: dict[str, Any] = {"encoder": encoder, "hidden": hidden, "prior": prior}
        super().__init__(*args, **{"n_quantiles": n_quantiles, **kwargs})

    def make_quantile_net(self) -> QuantileNetwork:
        """A quantile network with its own weights."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return EditQuantileNetwork(**arguments, net_options=self.net_options).to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.net_options}
