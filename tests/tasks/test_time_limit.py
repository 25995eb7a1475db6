"""Code that takes too long ends, in whatever thread, and leaves nothing behind."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from promptrl.tasks.metrics.time_limit import OutOfTimeError, in_time

LIMIT_S = 0.05


def spins() -> None:
    """Never ends."""
    while True:
        pass


def catches_errors() -> None:
    """Takes everything that a careful person catches for a wrong answer."""
    while True:
        try:
            spins()
        except Exception:
            return


def catches_everything() -> None:
    """Even what nobody should."""
    try:
        spins()
    except:  # noqa: E722
        return


def waits() -> None:
    """For something outside."""
    time.sleep(60)


def backtracks() -> None:
    """In C, for longer than anybody lives."""
    re.search(r"^(\w+\s?)*\.$", " ".join(["word"] * 15))


def ends_in_time(work: Callable[[], None]) -> float:
    """Seconds after which the work was ended."""
    began_s = time.monotonic()
    with pytest.raises(OutOfTimeError):
        in_time(LIMIT_S, work)
    return time.monotonic() - began_s


def in_a_thread(work: Callable[[], object]) -> object:
    """What the work gives in a thread of its own."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(30)
    return results[0]


@pytest.fixture(autouse=True)
def no_alarm_stays() -> Iterator[None]:
    """No timer and no handler is left over."""
    handler = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is handler


@pytest.mark.parametrize("work", [spins, catches_errors, catches_everything, waits, backtracks])
def test_work_in_the_main_thread_is_ended(work: Callable[[], None]) -> None:
    """Also where it waits, or is in C."""
    assert LIMIT_S <= ends_in_time(work) < 5


@pytest.mark.parametrize("work", [spins, catches_errors, catches_everything])
def test_python_code_in_another_thread_is_ended(work: Callable[[], None]) -> None:
    """A program trains where it likes; several trainings at once are in threads too."""
    elapsed_s = in_a_thread(lambda: ends_in_time(work))
    assert isinstance(elapsed_s, float)
    assert LIMIT_S <= elapsed_s < 5


def test_a_call_in_another_thread_that_cant_be_ended_is_told_when_it_returns() -> None:
    """Late, but never as if it had been in time."""
    elapsed_s = in_a_thread(lambda: ends_in_time(lambda: time.sleep(4 * LIMIT_S)))
    assert isinstance(elapsed_s, float)
    assert elapsed_s >= 4 * LIMIT_S


def takes_a_millisecond() -> None:
    """More or less."""
    until_s = time.monotonic() + 0.001
    while time.monotonic() < until_s:
        pass


def many_times() -> int:
    """How often work that takes about as long as it may was ended; nothing is raised outside of the limit."""
    ended = 0
    for _ in range(300):
        try:
            in_time(0.001, takes_a_millisecond)
        except OutOfTimeError:
            ended += 1
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        sum(range(100))
    return ended


def test_work_at_the_very_limit_leaves_nothing_behind() -> None:
    """In neither kind of thread does the end of one piece of work reach the next."""
    assert many_times() <= 300
    assert isinstance(in_a_thread(many_times), int)


@pytest.mark.parametrize("seconds", [60.0, float("inf")])
def test_work_that_is_done_in_time_is_let_be(seconds: float) -> None:
    """Its errors too."""
    assert in_time(seconds, lambda: 3) == 3
    with pytest.raises(KeyError):
        in_time(seconds, lambda: {}["x"])


def test_without_time_nothing_begins() -> None:
    """Where the minutes of a run are over."""
    done: list[int] = []
    for seconds in (0.0, -1.0):
        with pytest.raises(OutOfTimeError):
            in_time(seconds, lambda: done.append(1))
    assert done == []


def test_a_timer_of_the_program_goes_on_afterwards() -> None:
    """With what is left of it."""
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 4 * LIMIT_S)
    try:
        ends_in_time(spins)
        assert rung == []
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 4 * LIMIT_S
        signal.pause()
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)
