"""What a token costs, by the list prices of the ``genai-prices`` package."""

from dataclasses import dataclass
from typing import Annotated

from promptrl.settings import Setting

_OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a model, US dollars for a million tokens."""

    input_per_million: Annotated[float, Setting("US dollars for a million prompt tokens.", ge=0)]
    output_per_million: Annotated[float, Setting("US dollars for a million completion tokens.", ge=0)]

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Cost of one call, US dollars."""
        return (prompt_tokens * self.input_per_million + completion_tokens * self.output_per_million) / 1e6


def price_of(model: str, base_url: str | None = None) -> Price | None:
    """Look up the list price of ``model``; no network.

    Args:
        model: Name as the endpoint knows it.
        base_url: The endpoint, which decides the provider; None means OpenAI's own.

    Returns:
        The price of a prompt of ordinary length (long-context tiers start at 128 thousand tokens or more);
        None when provider or model is not listed, so also for every server of one's own.
    """
    from genai_prices import Usage, calc_price

    url = base_url or _OPENAI_URL
    tokens = 1000
    try:
        per_input = calc_price(Usage(input_tokens=tokens, output_tokens=0), model, provider_api_url=url).total_price
        per_output = calc_price(Usage(input_tokens=0, output_tokens=tokens), model, provider_api_url=url).total_price
    except LookupError:
        return None
    return Price(float(per_input) * 1e6 / tokens, float(per_output) * 1e6 / tokens)
