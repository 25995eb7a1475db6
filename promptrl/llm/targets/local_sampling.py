"""Sampling parameters of the local target: what a config may say, checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one prompt is continued.

    Attributes:
        max_tokens: New tokens at most; at least 1.
        temperature: 0 is greedy.
        top_p: Share of the probability mass to draw from, in (0, 1].
        seed: The same prompt with the same seed has the same answer; None draws anew each time.
        stop: Texts that end the answer; the answer is cut before them.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


def parse_params(params: Mapping[str, Any]) -> Sampling:
    """Read sampling parameters under their OpenAI names; null stands for the default.

    Raises:
        ConfigError: With every problem, under ``target.params.NAME``.
    """
    given = {name: value for name, value in params.items() if value is not None}
    problems = []
    for name, value in given.items():
        if name not in _RULES:
            message = f"the local target has no such parameter, only {', '.join(_RULES)}"
            problems.append(Problem(f"target.params.{name}", message))
        elif not _RULES[name][0](value):
            problems.append(Problem(f"target.params.{name}", f"got {value!r}, expected {_RULES[name][1]}"))
    if problems:
        raise ConfigError(problems)
    stop = given.pop("stop", ())
    return Sampling(**given, stop=(stop,) if isinstance(stop, str) else tuple(stop))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _is_stop(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    return isinstance(texts, list | tuple) and all(isinstance(text, str) and text for text in texts)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_tokens": (lambda value: _is_whole(value) and value >= 1, "a whole number from 1"),
    "temperature": (lambda value: _is_number(value) and 0 <= value <= 2, "0 to 2"),
    "top_p": (lambda value: _is_number(value) and 0 < value <= 1, "above 0, at most 1"),
    "seed": (_is_whole, "a whole number"),
    "stop": (_is_stop, "a text or a list of texts, none empty"),
}
