"""What every baseline can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """How a search without an agent asks.

    Attributes:
        rows_per_prompt: Rows that a new prompt is first asked on.
    """

    rows_per_prompt: int = 1
