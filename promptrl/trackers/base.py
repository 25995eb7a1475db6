"""What a tracker is, and what a kind of tracker says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Tracker(Protocol):
    """Logs one run. An error that it raises is told once and ends the tracker, never the run."""

    def start(self, run: Path, config: Mapping[str, Any]) -> None:
        """A run begins, or goes on after an interruption: it then takes the same course again from the start.

        Args:
            run: The run's folder; its name is the run's id.
            config: The whole config, as plain data.
        """

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Take figures.

        Args:
            figures: By name, such as ``rollout/ep_rew_mean`` or ``surrogate/noise``; a value may be NaN.
            step: Calls used where the search plans, environment steps on the live model.
        """

    def finish(self, result: Mapping[str, Any] | None) -> None:
        """The run is over.

        Args:
            result: What result.json holds; None when the run was interrupted or failed.
        """


@dataclass(frozen=True, slots=True)
class TrackerKind:
    """A kind of tracker that a config can name.

    Attributes:
        open: Makes the tracker of one run; what it needs is imported here or later.
        package: The package that it needs beside promptrl's own requirements; empty: none.
        install: How to install that.
    """

    open: Callable[[], Tracker]
    package: str = ""
    install: str = ""
