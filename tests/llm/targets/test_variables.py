"""Names of environment variables, and what may be a key in the place of one."""

import pytest

from promptrl.errors import ConfigError
from promptrl.llm.targets.openai_client import OpenAITarget

PASTED = [
    "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
    "A1B2C3D4E5F6A7B8C9D0",
    "xKqTzWmPvRnLbYcDfGhJsKaQ",
    "AKIAIOSFODNN7EXAMPLE",
]


@pytest.mark.parametrize("key", PASTED)
@pytest.mark.parametrize("place", ["api_key_env", "headers"])
def test_a_key_in_the_place_of_a_name_is_not_repeated(key: str, place: str) -> None:
    """The setting is named, and what belongs there."""
    fields = {"api_key_env": key} if place == "api_key_env" else {"api_key_env": None, "headers": {"X-Key": key}}
    with pytest.raises(ConfigError, match=rf"target\.{place}.*never the secret itself") as caught:
        OpenAITarget("m", base_url="https://llm.example.com/v1", **fields)  # type: ignore[arg-type]
    assert key not in str(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "MY_KEY_2", "openai_key", "_KEY", "KEY1"])
def test_a_name_is_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the user sees which variable is missing."""
    monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=f"the environment variable {name} is not set"):
        OpenAITarget("m", base_url="https://llm.example.com/v1", api_key_env=name)
