"""The one tree of errors; each class carries the exit code of the command line (DESIGN.md, section 6)."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

SECRET = re.compile(
    r"(?:sk|pk|rk|gsk|xai|hf|ghp|gho|glpat|xox[abprs]|r8|nvapi|pplx|fw|tgp_v1)[-_][A-Za-z0-9_\-]{12,}"
    r"|github_pat_\w{20,}|AIza[\w\-]{20,}|AKIA[A-Z0-9]{12,}|eyJ[\w\-]{10,}\.[\w\-.]{10,}|[Bb]earer\s+\S{8,}"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config or with the data it names.

    Attributes:
        key: Dotted path of the config key, list positions as numbers (``reward.metrics.0.weight``).
        message: The value found and what was expected.
        hint: The nearest right name or the way out, without a question mark; empty when there is none.
        file: The file at fault; None when it is filled in by the loader of the config.
        line: 1-based line in that file, if known.
        is_warning: Whether it may be meant, so that a run can go on all the same.
    """

    key: str
    message: str
    hint: str = ""
    file: str | None = None
    line: int | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.key}: {self.message}{hint}" if self.key else f"{place}{self.message}{hint}"

    @property
    def kind(self) -> Literal["error", "warning"]:
        """In one word, for people."""
        return "warning" if self.is_warning else "error"


class PromptrlError(Exception):
    """Base of every error that promptrl raises on purpose."""

    exit_code = 1


class ConfigError(PromptrlError):
    """The config, or the data it names, can't be used. Carries every problem found, and the warnings beside them."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{p.kind} {p}" if p.is_warning else str(p) for p in self.problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[tuple[Problem, ...]]]:
        """What crosses to another process: the problems, of which the message is made there."""
        return type(self), (self.problems,)


class GatheredProblems:
    """The problems of several things that are checked one after the other, to be told all at once, each one time."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    @contextmanager
    def caught(self) -> Iterator[None]:
        """End the block at its first ``ConfigError`` and keep its problems."""
        try:
            yield
        except ConfigError as error:
            self._found.update(dict.fromkeys(error.problems))

    def check(self) -> None:
        """Go on only if there was nothing wrong.

        Raises:
            ConfigError: With all problems.
        """
        if self._found:
            raise ConfigError(self._found)


class GradingError(ConfigError):
    """Code of the user's that grades answers raised an error, or gave something else than scores."""


class UsageError(PromptrlError):
    """The command was called in a way that can't work."""

    exit_code = 2


class TargetError(PromptrlError):
    """The target, or data behind it, is unavailable after retries, or refuses for good (401, unknown model)."""

    exit_code = 4


class ScoresMissingError(TargetError):
    """Answers came, but a metric could not score too many of them; the same ones would meet it again."""


class BudgetExhaustedError(PromptrlError):
    """No call, token, dollar or minute is left for what was asked."""

    exit_code = 5


class RunNotFoundError(PromptrlError):
    """No run has this name, or the name is not unique."""

    exit_code = 6


class RunLockedError(PromptrlError):
    """Another process works in this run folder, or the run can't be continued."""

    exit_code = 6


class RunFolderError(PromptrlError):
    """A file of a run folder is damaged, or can't be written."""

    exit_code = 6


class OutputLostError(PromptrlError):
    """Standard output can't be written: nobody reads it any more, or the disk is full.

    Args:
        error: What the operating system says.

    Attributes:
        is_closed: Whether its reader has gone, as ``head`` does when it has enough.
    """

    def __init__(self, error: OSError) -> None:
        self.is_closed = isinstance(error, BrokenPipeError)
        super().__init__(f"standard output can't be written: {error.strerror}")

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a constant in the base class
        """141 where the reader has gone, as of a program that SIGPIPE ends; else 2."""
        return 141 if self.is_closed else 2


class StopRequestedError(PromptrlError):
    """A signal asked the run to stop; what was paid for is saved.

    Args:
        signal_number: SIGINT (2), SIGTERM (15) or SIGHUP (1).
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__("interrupted")

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a constant in the base class
        """130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP."""
        return 128 + self.signal_number


def nearest(name: str, known: Iterable[str]) -> str:
    """The right name that was probably meant, letter case and hyphens aside; empty when none is close."""
    names = {_folded(right): right for right in known}
    close = get_close_matches(_folded(name), names, n=1)
    return names[close[0]] if close else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest right name, or all of them when none is close; empty when there are none."""
    names = list(known)
    close = nearest(name, names)
    return f"did you mean {close}" if close else f"there are {', '.join(names)}" if names else ""


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def hide_secrets(text: str) -> str:
    """Replace everything in a text that looks like an API key."""
    return SECRET.sub("(hidden)", text)


def show(value: Any) -> str:
    """A value as a message quotes it: short, on one line, without secrets."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = hide_secrets(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 70 else f"{text[:60]}... ({len(text)} characters)"
