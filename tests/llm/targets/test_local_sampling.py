"""Sampling parameters: what is read, what is refused."""

from typing import Any

import pytest

from promptrl.errors import ConfigError
from promptrl.llm.targets.local_sampling import Sampling, parse_params


def test_defaults_are_greedy_and_short() -> None:
    """Nothing given, or null, means greedy with 64 tokens."""
    assert parse_params({}) == parse_params({"temperature": None, "stop": None}) == Sampling()
    assert (Sampling().temperature, Sampling().max_tokens) == (0.0, 64)


def test_every_parameter_is_read() -> None:
    """All five reach the sampling; one stop text is a list of one."""
    params = {"max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": "\n"}
    assert parse_params(params) == Sampling(5, 0.5, 0.9, 3, ("\n",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("temperature", -0.1),
        ("temperature", 2.5),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.1),
        ("seed", 1.5),
        ("stop", [""]),
        ("stop", 3),
        ("logit_bias", {}),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: Any) -> None:
    """The error names the key as the config spells it."""
    with pytest.raises(ConfigError, match=rf"target\.params\.{name}: "):
        parse_params({name: value})


def test_all_problems_come_at_once() -> None:
    """Two wrong parameters are two problems."""
    with pytest.raises(ConfigError) as caught:
        parse_params({"top_p": 7, "n": 2})
    assert [problem.key for problem in caught.value.problems] == ["target.params.top_p", "target.params.n"]
