"""A history of nights spends its false alarms within one account."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.stats.alpha_spending import SpendingAccount


def levels(account: SpendingAccount, promotions: list[bool]) -> list[float]:
    """Level of each night of a history."""
    spent = []
    for has_promoted in promotions:
        spent.append(account.next_level)
        account = account.spend(has_promoted=has_promoted)
    return spent


def test_a_history_without_promotions_never_spends_it_all() -> None:
    """A thousand nights stay below the level, and most of it is there for the first month."""
    spent = levels(SpendingAccount(), [False] * 1000)
    assert 0.045 < sum(spent) < 0.05
    assert sum(spent[:30]) > 0.04
    assert spent == sorted(spent, reverse=True)


@given(st.lists(st.booleans(), max_size=60))
def test_all_levels_up_to_the_first_false_promotion_fit_into_the_account(promotions: list[bool]) -> None:
    """Whatever was promoted rightly gives its level back; what was not never adds up to more than 5 %."""
    spent = levels(SpendingAccount(), promotions)
    assert sum(level for level, has_promoted in zip(spent, promotions, strict=True) if not has_promoted) <= 0.05 + 1e-12


def test_a_promotion_hands_its_level_on() -> None:
    """Once, to the next night."""
    account = SpendingAccount()
    plain = levels(account, [False] * 3)
    after = levels(account, [True, False, False])
    assert after[1] == pytest.approx(plain[0] + plain[1])
    assert after[2] == pytest.approx(plain[2])


def test_the_gate_is_never_loosened() -> None:
    """Each comparison still has to meet the confidence of the gate by itself."""
    assert SpendingAccount(level=0.9).next_confidence(0.95) == 0.95
    assert SpendingAccount().next_confidence(0.95) == pytest.approx(1 - 2 * 0.05 / 6)


def test_it_survives_a_file() -> None:
    """What is kept beside a champion is read back the same."""
    account = SpendingAccount().spend(has_promoted=True)
    assert SpendingAccount.from_json(json.loads(json.dumps(account.to_json()))) == account


@pytest.mark.parametrize("damage", [{"level": 0}, {"level": 1.5}, {"tests": -1}, {"returned": 0.2}])
def test_a_damaged_account_is_refused(damage: dict[str, float]) -> None:
    """Nobody promotes on credit."""
    with pytest.raises(ValueError, match="account"):
        SpendingAccount.from_json({**SpendingAccount().to_json(), **damage})


def test_a_month_of_equal_prompts_promotes_in_one_history_of_twenty_at_most() -> None:
    """Uniform p-values at their worst; without the account it would be every second history."""
    p_values = np.random.default_rng(0).random((4000, 30))
    assert (p_values < np.array(levels(SpendingAccount(), [False] * 30))).any(axis=1).mean() <= 0.05
    assert (p_values < 0.025).any(axis=1).mean() > 0.45
