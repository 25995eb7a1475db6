"""A text, a table and a proposer make a better prompt on the bundled model; ten seeds are run by hand."""

from pathlib import Path

import pytest

from benchmarks.one_text import improve


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


def test_a_text_and_a_table_suffice(tmp_path: Path) -> None:
    """Both seeds beat a baseline that is never right by rules that were proposed, within the share of the proposer."""
    for seed in (0, 1):
        result = improve(tmp_path, seed, 480)
        assert result["verdict"] == "improved"
        assert "Answer:" in result["winner"]["text"]
        assert result["baseline"]["test"]["score"] < 0.1
        assert 1 <= result["calls"]["proposer"] <= 4
