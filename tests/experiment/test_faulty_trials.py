"""Runs under limits whose server fails in every way, killed and resumed."""

from pathlib import Path

from tests.faulty_trials import trials


def test_no_limit_is_passed_whatever_fails_and_whenever_it_is_killed(tmp_path: Path) -> None:
    """Nothing that was kept is lost, only what was in flight is paid for again, and money lasts for a verdict."""
    done = list(trials(6, 2, tmp_path))
    assert all(trial.is_right for trial in done), done
    assert sum(trial.kills for trial in done) >= 6
    assert [trial.code for trial in done] == [0] * 6
