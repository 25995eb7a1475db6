"""The rules by which a winner is compared with the prompt that it has to beat."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """When a difference on held-out rows counts, and how it is measured.

    Attributes:
        confidence: Of the two-sided intervals, such as 0.95.
        min_improvement: The interval must lie above this to be an improvement.
        margin: An interval inside plus and minus this says that both are the same.
        repeats: Answers of each prompt to each row; a row still counts once.
        is_sequential: Whether rows are looked at as they come in, until the answer is clear.
    """

    confidence: float = 0.95
    min_improvement: float = 0.0
    margin: float = 0.02
    repeats: int = 1
    is_sequential: bool = False
