"""Random generators of the process, lent to one run at a time.

Stable-Baselines3 draws from the generators that a process has once: Python's, numpy's and torch's. A run has them to
itself while it computes and finds them as it left them, however many runs there are in how many threads; whoever else
draws from them finds them untouched. A run gives them away while it can only wait for answers, so that others go on.
Python computes in one thread at a time anyway.

How many threads torch and BLAS compute in is a setting of the process as well, and is not lent: a search sets it to one
and at its end back to what it found, so whatever else the process computes does so in one thread meanwhile, and after
searches that overlap it may stay at one.
"""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_LENT = threading.Lock()
_MINE = threading.local()


@contextmanager
def own_randomness() -> Iterator[None]:
    """Have the generators to oneself inside; afterwards they go on as if nothing had been drawn."""
    if getattr(_MINE, "has_them", False):  # a run that an observer of another one started
        before = _state()
        try:
            yield
        finally:
            _restore(before)
        return
    _take()
    try:
        yield
    finally:
        if _MINE.has_them:
            _give_back()


@contextmanager
def lent_to_others() -> Iterator[None]:
    """Give the generators away inside; for a thread that does not have them this does nothing."""
    if not getattr(_MINE, "has_them", False):
        yield
        return
    state = _state()
    _give_back()
    try:
        yield
    finally:
        _take()
        _restore(state)


def _take() -> None:
    _LENT.acquire()
    _MINE.has_them = True
    _MINE.found = _state()


def _give_back() -> None:
    _restore(_MINE.found)
    _MINE.has_them = False
    _LENT.release()


def _state() -> tuple[Any, ...]:
    """Of all generators; of torch's only where it is loaded, which a baseline does without."""
    state: tuple[Any, ...] = (random.getstate(), np.random.get_state())
    torch = sys.modules.get("torch")
    return (*state, torch.get_rng_state()) if torch else state


def _restore(state: tuple[Any, ...]) -> None:
    """Torch that was loaded since is set to where it begins in a process."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    if torch := sys.modules.get("torch"):
        torch.set_rng_state(state[2] if len(state) > 2 else torch.Generator().get_state())
