"""What every search hands on, whichever algorithm it used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptrl.prompts.prompt import Prompt

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

StopReason = Literal["budget", "converged", "stopped"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt that the search found.

    Attributes:
        prompt: It.
        mean: Expected objective over all train rows, shrunken.
        sd: Standard deviation of that belief.
        answers: Train rows it was asked on.
    """

    prompt: Prompt
    mean: float
    sd: float
    answers: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What the search hands on.

    Attributes:
        candidates: The best first.
        stop_reason: "budget", "converged" (nothing new to ask) or "stopped" (from outside).
        env_steps: Edits tried on the live model, over all environments.
        calls_used: Calls spent.
        agent: The trained SB3 model; None when the algorithm has none.
    """

    candidates: tuple[Candidate, ...]
    stop_reason: StopReason
    env_steps: int
    calls_used: int
    agent: "BaseAlgorithm | None"
