"""What TensorBoard reads is what was logged."""

from pathlib import Path

from promptrl.trackers.tensorboard import TensorBoardTracker


def test_figures_are_read_back(tmp_path: Path) -> None:
    """By TensorBoard's own reader, over the step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = TensorBoardTracker()
    tracker.start(tmp_path, {})
    tracker.log({"surrogate/noise": 0.5}, 40)
    tracker.log({"surrogate/noise": 0.25}, 56)
    tracker.finish(None)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("surrogate/noise")] == [(40, 0.5), (56, 0.25)]
