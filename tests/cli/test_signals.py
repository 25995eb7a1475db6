"""Every signal that means the end lets a run be saved on its way out."""

import os
import signal

import pytest

from promptrl.cli.signals import signals_as_errors
from promptrl.errors import StopRequestedError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_raised_where_the_work_is(number: signal.Signals, code: int) -> None:
    """Also the one that a closed terminal sends; afterwards signals do what they did before."""
    outer = signal.signal(number, signal.default_int_handler)  # whatever started the tests may ignore some of them
    try:
        with pytest.raises(StopRequestedError) as stopped, signals_as_errors():
            os.kill(os.getpid(), number)
        assert stopped.value.exit_code == code
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, outer)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_errors() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_requested
    finally:
        signal.signal(signal.SIGHUP, before)
