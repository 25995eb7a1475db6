"""Counts answers that were cut off, over all prompts and for each: long answers are often the fault of one edit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import punctuation

from promptrl.evaluation.outcome import Outcome
from promptrl.tasks.dataset import Example, accepted_answers

CUT_SHARE = 0.2
LOW = 0.25
"""So many of all answers, scoring less than this on average, are a sign that answers have no room."""
MOST = 0.5
GOOD = 0.75
LEAST_OF_PROMPT = 10
"""So many of the answers of one prompt likewise, of this many and more."""


@dataclass(slots=True)
class Cuts:
    """Answers of one prompt, or of several.

    Attributes:
        answers: All of them.
        cut: Those cut off.
        score_sum: What these score.
        example: The last of them that scored least.
    """

    answers: int = 0
    cut: int = 0
    score_sum: float = 0.0
    example: Outcome | None = None

    @property
    def mean(self) -> float:
        """What answers that were cut off score."""
        return self.score_sum / self.cut if self.cut else 0.0

    def add(self, outcome: Outcome, *, is_cut: bool) -> None:
        """Count an answer."""
        self.answers += 1
        if is_cut:
            self.cut += 1
            self.score_sum += outcome.score
            if self.example is None or outcome.score <= self.example.score:
                self.example = outcome


class CutTally:
    """Says which answers had no room: those of all prompts, else those of prompts that were hit the worst.

    Args:
        rows: All rows; an answer that is the known good one of any is whole, though it ends where its room did.
    """

    def __init__(self, rows: Iterable[Example]) -> None:
        self._whole = {
            _bare(answer) for row in rows if row.reference is not None for answer in accepted_answers(row.reference)
        }
        self._all = Cuts()
        self._by_prompt: dict[str, Cuts] = {}
        self._short_of_room: dict[str, Cuts] = {}

    def add(self, outcome: Outcome, *, is_sound: bool) -> None:
        """Count an answer; one with a fault is told as that, and not as cut off."""
        completion = outcome.completion
        is_cut = is_sound and completion.finish_reason == "length" and _bare(completion.text) not in self._whole
        of_prompt = self._by_prompt.setdefault(outcome.prompt_id, Cuts())
        for cuts in (self._all, of_prompt):
            cuts.add(outcome, is_cut=is_cut)
        if of_prompt.answers >= LEAST_OF_PROMPT and of_prompt.cut >= MOST * of_prompt.answers and of_prompt.mean < GOOD:
            self._short_of_room[outcome.prompt_id] = of_prompt
        else:
            self._short_of_room.pop(outcome.prompt_id, None)

    def worst(self) -> tuple[Cuts, int | None] | None:
        """The answers to speak of and of how many prompts they are, None for all; nothing where there was room."""
        if self._all.cut and self._all.cut >= CUT_SHARE * self._all.answers and self._all.mean < LOW:
            return self._all, None
        if not self._short_of_room:
            return None
        return _together(list(self._short_of_room.values())), len(self._short_of_room)


def _together(parts: Sequence[Cuts]) -> Cuts:
    examples = [part.example for part in parts if part.example is not None]
    return Cuts(
        sum(part.answers for part in parts),
        sum(part.cut for part in parts),
        sum(part.score_sum for part in parts),
        min(reversed(examples), key=lambda outcome: outcome.score, default=None),
    )


def _bare(text: str) -> str:
    return text.strip(punctuation + " \t\r\n").casefold()
