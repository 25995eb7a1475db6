"""A finished run and a finished evaluation as values: typed views of their result.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptrl.runs.folder import Run


@dataclass(frozen=True, slots=True)
class SplitScore:
    """How a prompt did on the rows of one split.

    Attributes:
        score: Mean of the gate's metric over the rows, in [0, 1].
        low: Lower end of its interval.
        high: Upper end.
        rows: Rows that were answered.
        objective: Mean of what the search maximised.
    """

    score: float
    low: float
    high: float
    rows: int
    objective: float


@dataclass(frozen=True, slots=True)
class ScoredPrompt:
    """A prompt and how it did.

    Attributes:
        prompt_id: Hash of what it is.
        text: To be read by people.
        messages: As ``{"role": ..., "content": ...}``, with the placeholders of the user template left open.
        validation: On validation rows; None when it was not asked there.
        test: On test rows, likewise.
    """

    prompt_id: str
    text: str
    messages: list[dict[str, str]]
    validation: SplitScore | None = None
    test: SplitScore | None = None


@dataclass(frozen=True, slots=True)
class Improvement:
    """Winner minus baseline on held-out rows, paired by row.

    Attributes:
        score: Mean difference, in [-1, 1].
        low: Lower end of its interval.
        high: Upper end.
        p_value: Two-sided, of "there is no difference".
        rows: Rows that both have answered.
        confidence: Of the interval.
    """

    score: float
    low: float
    high: float
    p_value: float
    rows: int
    confidence: float


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run and what its result.json holds.

    Attributes:
        run: The folder.
        result: The parsed result.json.
    """

    run: Run
    result: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The folder's name, ``<experiment>-<NNNN>``."""
        return self.run.id

    @property
    def path(self) -> Path:
        """The folder; ``report.html`` in it is the page to read."""
        return self.run.path

    @property
    def verdict(self) -> str:
        """``improved``, ``worse``, ``same`` or ``inconclusive``."""
        return str(self.result["verdict"])

    @property
    def winner(self) -> ScoredPrompt:
        """The best prompt that was found; the baseline itself when nothing beat it on validation rows."""
        return _scored_prompt(self.result["winner"])

    @property
    def baseline(self) -> ScoredPrompt:
        """The prompt that the run began with."""
        return _scored_prompt(self.result["baseline"])

    @property
    def improvement(self) -> Improvement | None:
        """What the test rows say; None when the winner is the baseline."""
        return _improvement(self.result["improvement"]["test"])

    @property
    def calls(self) -> int:
        """Answers that the run used, cached or not."""
        return int(self.result["calls"]["total"])

    @property
    def cost_usd(self) -> float | None:
        """US dollars paid; None when a price is unknown."""
        cost: float | None = self.result["cost_usd"]
        return cost


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A prompt beside the baseline on the rows of one split.

    Attributes:
        result: What ``promptrl eval --json`` prints.
    """

    result: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """``improved``, ``worse``, ``same`` or ``inconclusive``."""
        return str(self.result["verdict"])

    @property
    def difference(self) -> Improvement | None:
        """The prompt minus the baseline, paired by row; None when no row has both."""
        return _improvement(self.result["difference"])

    @property
    def score(self) -> SplitScore | None:
        """The prompt's own score; None when no row was answered."""
        return _split_score(self.result["winner"][self.result["split"]])


def _scored_prompt(entry: Mapping[str, Any]) -> ScoredPrompt:
    return ScoredPrompt(
        entry["prompt_id"],
        entry["text"],
        [dict(message) for message in entry["messages"]],
        _split_score(entry["validation"]),
        _split_score(entry["test"]),
    )


def _split_score(entry: Mapping[str, Any] | None) -> SplitScore | None:
    if entry is None:
        return None
    return SplitScore(entry["score"], entry["low"], entry["high"], entry["rows"], entry["objective"])


def _improvement(entry: Mapping[str, Any] | None) -> Improvement | None:
    if entry is None:
        return None
    return Improvement(
        entry["score"], entry["low"], entry["high"], entry["p_value"], entry["rows"], entry["confidence"]
    )
