"""Prompt files as they lie on disks."""

from pathlib import Path

from promptrl.evaluating import read_prompt
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate

BASELINE = Prompt((), (), UserTemplate("{x}"))


def test_line_breaks_of_an_exported_prompt_are_kept(tmp_path: Path) -> None:
    """A demonstration from a mail has line breaks of its own, and the template may end in one."""
    prompt = Prompt((("task", "Sort."),), (Demonstration("r", "a\r\nb", "c"),), UserTemplate("{x}\n"))
    file = tmp_path / "best_prompt.txt"
    file.write_bytes(f"{prompt.text}\n".encode())
    assert read_prompt(file, BASELINE).render({"x": "1"}) == prompt.render({"x": "1"})


def test_a_file_from_windows_has_its_headings(tmp_path: Path) -> None:
    """An editor there ends every line in two characters."""
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"[system]\r\nSort.\r\n\r\n[user]\r\n{x}\r\n")
    assert read_prompt(file, BASELINE).render({"x": "1"}) == Prompt(
        (("task", "Sort."),), (), UserTemplate("{x}")
    ).render({"x": "1"})
