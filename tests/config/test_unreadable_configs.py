"""A file that can't be read as a config, or not in time, is refused at once."""

from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.errors import ConfigError
from tests.config.good_config import problems_of


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    """Ten levels of ten aliases would be ten thousand million values."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 11))
    (problem,) = problems_of(f"l0: &l0 [a]\n{levels}", tmp_path)
    assert "once aliases are expanded" in problem.message


def test_a_data_file_given_as_config_is_refused_before_all_of_it_is_read(tmp_path: Path) -> None:
    """YAML is read slowly; a config of a million values is a mistake."""
    (problem,) = problems_of("- 1\n" * 1_000_000, tmp_path)
    assert "more than 50,000 values" in problem.message
    assert problem.line == 50_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: \xff\xfe", "is not UTF-8 text (byte 6)"),
        ("name: demo\n".encode("utf-16"), "is not UTF-8 text"),
        (b"#" * 5_000_001, "is larger than 5 MB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    """Whatever is given as a config gets a sentence, not a traceback."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"c\.yaml") as caught:
        load_config(path)
    assert words in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """The message says which of the two it is."""
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is a folder, expected a file of text"):
        load_config(tmp_path)
