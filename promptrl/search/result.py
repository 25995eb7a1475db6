"""What every search hands on, whichever algorithm it used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from promptrl.search.surrogate.state import SurrogateState

StopReason = Literal["budget", "converged", "stopped"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt that the search found.

    Attributes:
        prompt: It.
        mean: Expected objective over all train rows, shrunken.
        sd: Posterior standard deviation of that mean.
        answers: Train rows it was asked on.
    """

    prompt: Prompt
    mean: float
    sd: float
    answers: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One action of a trained agent.

    Attributes:
        action: The edit it makes; the last index = stop.
        probabilities: What its policy gives to every action, which sum to 1; empty for an agent that holds values
            instead (DQN, QR-DQN).
    """

    action: int
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What the search hands on.

    Attributes:
        candidates: The best first.
        stop_reason: "budget", "converged" (nothing new to ask) or "stopped" (from outside).
        env_steps: Edits tried: in the learned model where the search planned, else on the live one.
        calls_used: Calls spent.
        space: The edits, those included that joined them while the search worked.
        agent: The trained SB3 model; None when the algorithm has none.
        decisions: The agent's best episode from the baseline, action by action; empty without an agent.
        surrogate: What the search learned of the space; None when it holds no such thing.
        grown_at: Calls spent when edits last joined the space; None = none did.
    """

    candidates: tuple[Candidate, ...]
    stop_reason: StopReason
    env_steps: int
    calls_used: int
    space: EditSpace
    agent: "BaseAlgorithm | None"
    decisions: tuple[Decision, ...] = ()
    surrogate: "SurrogateState | None" = None
    grown_at: int | None = None
