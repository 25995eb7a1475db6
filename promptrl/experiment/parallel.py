"""Several experiments at once in one process: while one computes, the others wait for answers.

Python computes in one thread at a time anyway, and Stable-Baselines3 draws from the generators of the process. So only
one experiment has its turn; it ends whenever there is nothing to do but wait for answers, and each experiment finds the
generators as it left them: the result is that of a run by itself.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from promptrl.errors import StopRequestedError
from promptrl.llm.engine.stop import StopSignal

_LOOK_S = 0.2


class Turns:
    """Gives threads their turns to compute."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the turn while inside: no other experiment of this process computes."""
        with self._turn:
            self._mine.is_taken = True
            try:
                yield
            finally:
                self._mine.is_taken = False

    @contextmanager
    def left(self) -> Iterator[None]:
        """Let others have their turn inside; for a thread without one this does nothing."""
        if not getattr(self._mine, "is_taken", False):
            yield
            return
        state = _random_state()
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
            _restore(state)


def run_together(jobs: Sequence[Callable[[], None]], turns: Turns, stop: StopSignal) -> None:
    """Run jobs in threads of their own, and return when all are over.

    Args:
        jobs: Each deals with its own errors, other than ``StopRequestedError``.
        turns: The turns that the jobs' engines leave while they wait.
        stop: Ends them all.

    Raises:
        StopRequestedError: It was requested; every job has ended.
        BaseException: The first error that a job did not deal with; the others are asked to stop first.
    """
    errors: list[BaseException] = []

    def work(job: Callable[[], None]) -> None:
        try:
            with turns.taken():
                job()
        except StopRequestedError:
            pass
        except BaseException as error:
            errors.append(error)
            stop.request(2)

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    with stop.deferred():
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a wait without end would not see a signal
                thread.join(_LOOK_S)
    if errors:
        raise errors[0]
    stop.check()


def _random_state() -> tuple[Any, Any, Any]:
    import torch

    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def _restore(state: tuple[Any, Any, Any]) -> None:
    import torch

    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
