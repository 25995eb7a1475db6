"""Everything that a report says of one run, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptrl.evaluation.outcome import Outcome
from promptrl.tasks.dataset import Example


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A finished run.

    Attributes:
        run_id: Folder name.
        info: run.json.
        result: result.json.
        attribution: attribution.json; empty for a run that has none.
        leaderboard: leaderboard.json.
        outcomes: In the order in which they were asked.
        config_text: The config as it was understood.
        settings: The same, parsed.
        examples: Rows of the data set by id, as far as they are still there.
        notes: What is missing in this report and why.
    """

    run_id: str
    info: Mapping[str, Any]
    result: Mapping[str, Any]
    attribution: Mapping[str, Any] = field(default_factory=dict)
    leaderboard: Sequence[Mapping[str, Any]] = ()
    outcomes: Sequence[Outcome] = ()
    config_text: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Example] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def answers(self, label: str, purpose: str) -> list[Outcome]:
        """First answers of "baseline" or "winner" on the rows of one purpose.

        Fold by fold each row was asked of the winner of the search that had not seen it: all those answers count as the
        winner's.
        """
        asked = [o for o in self.outcomes if o.purpose == purpose and o.repeat == 0]
        baseline_id = self.result["baseline"]["prompt_id"]
        if label == "winner" and purpose == "test" and self.folds:
            return [o for o in asked if o.prompt_id != baseline_id]
        return [o for o in asked if o.prompt_id == self.result[label]["prompt_id"]]

    @property
    def folds(self) -> Sequence[Mapping[str, Any]]:
        """The folds that the verdict rests on; empty when it rests on one comparison on test rows."""
        return list(self.result["improvement"].get("folds", ()))
