"""What attempts cost, over the processes of a run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from promptrl.errors import BudgetExhaustedError
from promptrl.llm.base import Completion
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.reservations import Charges
from promptrl.runs.charge_file import CHARGES_NAME, ChargeFile


@contextmanager
def opened(folder: Path) -> Iterator[Budget]:
    """The budget of one process of a run."""
    with closing(ChargeFile(folder)) as charges:
        budget = Budget(max_calls=None, max_tokens=100)
        budget.keep_charges(charges.note, charges.earlier)
        yield budget


def charged(folder: Path) -> Charges:
    """What the processes so far were charged."""
    with closing(ChargeFile(folder)) as charges:
        return charges.earlier


def test_what_was_in_flight_at_a_kill_is_charged_in_full(tmp_path: Path) -> None:
    """Two of three attempts never came back: nobody knows what they cost, so no limit is passed by asking again."""
    answer = Completion("a", 4, 1, cost_usd=0.25)
    with opened(tmp_path) as budget:
        kept = budget.reserve("search", tokens=30, cost_usd=0.5)
        for _ in range(2):
            budget.reserve("search", tokens=30, cost_usd=0.5)
        assert kept is not None
        budget.settle(kept, answer)
    assert charged(tmp_path) == Charges(3, 65, 1.25)
    with opened(tmp_path) as resumed:
        resumed.carry_over([answer])
        assert resumed.reserve("search", tokens=35, cost_usd=0.0) is not None
    with opened(tmp_path) as again:
        again.carry_over([answer])
        with pytest.raises(BudgetExhaustedError, match=r"budget\.max_tokens"):
            again.reserve("search", tokens=1, cost_usd=0.0)


@pytest.mark.parametrize("may_be_billed", [True, False])
def test_an_attempt_that_failed_is_charged_as_before_the_kill(tmp_path: Path, may_be_billed: bool) -> None:
    """In full when the provider may charge for it, else nothing."""
    with opened(tmp_path) as budget:
        reservation = budget.reserve("search", tokens=30, cost_usd=0.5)
        assert reservation is not None
        budget.settle(reservation, may_be_billed=may_be_billed)
    assert charged(tmp_path) == (Charges(1, 30, 0.5) if may_be_billed else Charges(1, 0, 0.0))


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    """It was written before its attempt was sent, and that never was."""
    with opened(tmp_path) as budget:
        budget.reserve("search", tokens=30, cost_usd=0.0)
    with (tmp_path / CHARGES_NAME).open("a") as file:
        file.write('{"attempt": 2, "tok')
    assert charged(tmp_path) == Charges(1, 30, 0.0)
