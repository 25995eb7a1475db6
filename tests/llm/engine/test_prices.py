"""List prices."""

import pytest

from promptrl.llm.engine.prices import Price, price_of


def test_a_known_model_has_a_price() -> None:
    """At OpenAI's own endpoint, which None means too."""
    price = price_of("gpt-4o-mini")
    assert price is not None
    assert 0 < price.input_per_million < price.output_per_million
    assert price_of("gpt-4o-mini", "https://api.openai.com/v1") == price


@pytest.mark.parametrize(
    ("model", "base_url"),
    [("gpt-4o-mini", "http://localhost:11434/v1"), ("no-such-model", None), ("gpt-4o-mini", "https://llm.example.com")],
)
def test_an_unknown_model_or_provider_has_none(model: str, base_url: str | None) -> None:
    """Never 0."""
    assert price_of(model, base_url) is None


def test_cost_is_per_million_tokens() -> None:
    """Each kind at its own rate."""
    assert Price(2.0, 10.0).cost_usd(500_000, 100_000) == pytest.approx(2.0)
