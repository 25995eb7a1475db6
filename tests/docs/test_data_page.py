"""The page on data says what is told about its file."""

from pathlib import Path

from tests.docs.pages import carry_out


def test_the_page_shows_what_is_told_of_its_file(tmp_path: Path) -> None:
    """Each line of it, where the file lies here."""
    ((block, printed),) = carry_out("how-to/data.md", tmp_path)
    assert len(block.output) >= 5
    for line in block.output:
        assert line in printed.replace(f"{tmp_path}/", "")
