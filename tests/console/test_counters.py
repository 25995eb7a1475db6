"""What people are told of a target."""

import pytest

from promptrl.console.doctor import show_diagnosis
from promptrl.experiment.doctor import Diagnosis


@pytest.mark.parametrize(
    ("price", "cost_usd", "told"), [(None, 0.0, "none"), (None, None, "unknown"), ((1.0, 2.5), 0.01, "$1 in, $2.5 out")]
)
def test_what_costs_nothing_has_no_unknown_price(
    price: tuple[float, float] | None, cost_usd: float | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model in this process is free; of a server without a price nothing is known."""
    diagnosis = Diagnosis("m", "4", None, "stop", (0.1, 0.1), 9, 1, True, {}, cost_usd, price, ())
    show_diagnosis(diagnosis, as_json=False)
    assert f"price: {told}" in capsys.readouterr().out
