"""The tracker ``tensorboard``: event files in the run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoardTracker:
    """Writes figures for ``tensorboard --logdir``; the files are made with the first ones."""

    def __init__(self) -> None:
        self._folder = Path()
        self._writer: SummaryWriter | None = None

    def start(self, run: Path, config: Mapping[str, Any]) -> None:
        """Events go into the run's folder."""
        self._folder = run

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write each figure over the step."""
        if self._writer is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self, result: Mapping[str, Any] | None) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
