"""Problems of several things are told at once."""

import pickle

import pytest

from promptrl.errors import ConfigError, GatheredProblems, Problem, UsageError

FIRST, SECOND = Problem("seed", "got -1, expected 0 or more"), Problem("name", "is missing")


def test_every_problem_is_told_once_in_the_order_found() -> None:
    """Two things may have the same problem; what is sound between them is still carried out."""
    gathered, done = GatheredProblems(), []
    for problems in ([FIRST, SECOND], [], [SECOND]):
        with gathered.caught():
            if problems:
                raise ConfigError(problems)
            done.append(problems)
    assert done == [[]]
    with pytest.raises(ConfigError) as told:
        gathered.check()
    assert told.value.problems == (FIRST, SECOND)


def test_without_a_problem_it_goes_on() -> None:
    """Nothing is raised for nothing."""
    GatheredProblems().check()


def test_other_errors_are_not_caught() -> None:
    """They are no problem of a config."""
    with pytest.raises(UsageError), GatheredProblems().caught():
        raise UsageError("no such command")


def test_the_problems_of_a_config_cross_to_another_process() -> None:
    """A run may be carried out elsewhere: its error says there and here the same."""
    error = pickle.loads(pickle.dumps(ConfigError([FIRST, SECOND])))  # noqa: S301 - our own bytes
    assert (error.problems, str(error)) == ((FIRST, SECOND), f"{FIRST}\n{SECOND}")
