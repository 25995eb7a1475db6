"""Policies as files: weights as safetensors with a card in JSON beside them, both of which say the format.

The format is that of the observation: the weights of a policy mean nothing under other columns.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from promptrl.errors import ConfigError, Problem
from promptrl.search.observation import FORMAT

Tensors = dict[str, Tensor]
FIRST_FORMAT = 1
"""Of policies that do not say it."""


def encode_policy(model: BaseAlgorithm) -> bytes:
    """The policy's weights, nothing of the optimiser, as a file of safetensors."""
    weights = {name: tensor.contiguous() for name, tensor in model.policy.state_dict().items()}
    return save(weights, metadata={"format": str(FORMAT)})


def describe_policy(card: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is to be said of a policy's weights, in a JSON file beside them."""
    return {"format": FORMAT, **(card or {})}


def save_policy(model: BaseAlgorithm, path: Path, card: Mapping[str, Any] | None = None) -> None:
    """Write both files."""
    path.write_bytes(encode_policy(model))
    text = json.dumps(describe_policy(card), indent=2) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")


def read_policy(path: Path) -> Tensors:
    """The weights of a saved policy, also for another edit space.

    Raises:
        ConfigError: The file holds no policy, or one that reads observations of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            _check_format(path, (file.metadata() or {}).get("format", str(FIRST_FORMAT)))
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError) as error:
        raise ConfigError([Problem("warm_start", f"{path}: can't be read as a policy: {error}")]) from error


def _check_format(path: Path, found: str) -> None:
    if found != str(FORMAT):
        message = f"{path}: a policy of format {found}, but this version of promptrl reads format {FORMAT}"
        hint = "train it anew with this version, or set warm_start to none"
        raise ConfigError([Problem("warm_start", message, hint)])
