"""Tells every observer of a run the same events; one that fails is dropped, for it must not end what is paid for."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from promptrl.errors import StopRequestedError
from promptrl.experiment.events import Event, Observer, RunFinished, RunStarted
from promptrl.search.events import Figures
from promptrl.trackers.base import Tracker


class ObserverWarning(UserWarning):
    """An observer or a tracker raised an error; it is told no more, the run goes on."""


class Observers:
    """Passes events on, in order, to all who have not failed."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def __call__(self, event: Event) -> None:
        """Tell everyone."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except StopRequestedError:  # a signal that arrived meanwhile
                raise
            except Exception as error:
                self._observers.remove(observer)
                warn_of(observer, error)


class TrackerObserver:
    """Gives a tracker what it logs out of the stream of events."""

    def __init__(self, tracker: Tracker, config: Mapping[str, Any]) -> None:
        self._tracker = tracker
        self._config = config
        self._is_over = False

    def __call__(self, event: Event) -> None:
        """Start, log or finish.

        Raises:
            StopRequestedError: A signal arrived meanwhile, which is no fault of the tracker.
            Exception: Whatever the tracker raises; it is not called again.
        """
        if self._is_over:
            return
        try:
            if isinstance(event, RunStarted):
                self._tracker.start(Path(event.path), self._config)
            elif isinstance(event, Figures):
                self._tracker.log(event.values, event.step)
            elif isinstance(event, RunFinished):
                self._is_over = True
                self._tracker.finish(event.result)
        except StopRequestedError:
            raise
        except Exception:
            self._is_over = True
            raise

    def close(self) -> None:
        """Finish without a result, unless that is done or the tracker has failed.

        Raises:
            StopRequestedError: A signal arrived meanwhile.
        """
        if not self._is_over:
            self._is_over = True
            try:
                self._tracker.finish(None)
            except StopRequestedError:
                raise
            except Exception as error:
                warn_of(self, error)

    @property
    def tracker(self) -> Tracker:
        """The tracker that is told; kept after it was dropped."""
        return self._tracker


@contextmanager
def watched(
    observers: Sequence[Observer], trackers: Iterable[Tracker], config: Mapping[str, Any]
) -> Iterator[Callable[[Event], None]]:
    """One observer for all of them while inside; trackers are finished at the end, however it comes.

    Args:
        observers: Told of every event.
        trackers: Of this run.
        config: Told to the trackers.
    """
    logging = [TrackerObserver(tracker, config) for tracker in trackers]
    with ExitStack() as at_the_end:
        for tracker in reversed(logging):
            at_the_end.callback(tracker.close)
        yield Observers([*observers, *logging])


def warn_of(observer: Observer, error: Exception) -> None:
    """Say who failed and why."""
    who = observer.tracker if isinstance(observer, TrackerObserver) else observer
    name = getattr(who, "__qualname__", type(who).__qualname__)
    warnings.warn(f"{name} is told no more of this run: {type(error).__name__}: {error}", ObserverWarning, stacklevel=2)
