"""The kinds of trackers by their name in YAML."""

from collections.abc import Mapping

from promptrl.trackers.base import TrackerKind
from promptrl.trackers.tensorboard import TensorBoardTracker

TRACKERS: Mapping[str, TrackerKind] = {
    "tensorboard": TrackerKind(TensorBoardTracker, "tensorboard", "pip install 'promptrl[tensorboard]'"),
}
