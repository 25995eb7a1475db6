"""Hugging Face data sets, through the real package on a local folder, and without it."""

import sys
from pathlib import Path

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.tasks.data_file import load_rows


def test_without_the_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"dataset\.path: .*not installed \(pip install 'promptrl\[datasets\]'\)"):
        load_rows("hf:some/name")


def test_the_package_is_not_imported_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to import."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    assert load_rows(tmp_path / "rows.csv").rows == [{"a": "1"}]


class TestWithThePackage:
    """Skipped where the extra is not installed."""

    @pytest.fixture(autouse=True)
    def _offline(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its own cache, and no network."""
        datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        folder = tmp_path / "set"
        folder.mkdir()
        (folder / "train.csv").write_text("text,label\nfine,pos\nbad,neg\n", encoding="utf-8")
        (folder / "test.csv").write_text("text,label\nmeh,neg\n", encoding="utf-8")
        self.name = f"hf:{folder}"

    def test_a_split_is_read(self) -> None:
        """Columns as they are there."""
        assert load_rows(f"{self.name}:test").rows == [{"text": "meh", "label": "neg"}]

    def test_config_and_split_may_both_be_said(self) -> None:
        """In this order."""
        assert len(load_rows(f"{self.name}:default:train").rows) == 2

    def test_of_several_splits_one_must_be_said(self) -> None:
        """The choices are listed."""
        with pytest.raises(ConfigError, match=r"has several splits \(say which: .*train.*test"):
            load_rows(self.name)

    def test_an_unknown_split_names_the_nearest(self) -> None:
        """As for any name."""
        with pytest.raises(ConfigError, match=r"no split 'tets' \(did you mean test\)"):
            load_rows(f"{self.name}:tets")

    def test_an_unknown_config_is_a_config_error(self) -> None:
        """In the words of the package."""
        with pytest.raises(ConfigError, match="frnch"):
            load_rows(f"{self.name}:frnch:train")

    def test_too_many_parts_are_refused(self) -> None:
        """The form is named."""
        with pytest.raises(ConfigError, match="expected hf:NAME"):
            load_rows("hf:a:b:c:d")

    def test_a_data_set_out_of_reach_is_not_the_configs_fault(self) -> None:
        """Exit code 4, as for a target."""
        with pytest.raises(TargetError, match="can't be loaded"):
            load_rows("hf:nobody/no-such-data-set:train")
