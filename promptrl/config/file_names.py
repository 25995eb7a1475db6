"""Tells a text from the name of a file that holds it."""

import re
from pathlib import Path

from promptrl.errors import show

_SUFFIXES = (
    "txt|text|md|markdown|rst|jinja2?|j2|prompt|prompty|tmpl|tpl|template|mustache|hbs|handlebars|liquid"
    "|ya?ml|jsonl?|toml|xml|html?"
)
_WORD = re.compile(rf"\S+\.(?:{_SUFFIXES})", re.IGNORECASE)
"""No text of one word ends like this."""
_PATH = re.compile(
    rf"(?:~|\.\.?)[/\\]\S+|[/\\]?\w[\w.-]*[/\\]\S*\w\.[a-z]\w*|/[\w.-]+/\S+|(?:[a-z]:)?[/\\].*\.(?:{_SUFFIXES})",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\w")
MAX_NAME = 1000


def names_file(text: str, folder: Path) -> bool:
    """Whether a text is a path: of a file or folder that is there or, lest a slip of the pen be the prompt, of none.

    Args:
        text: What stands in the config.
        folder: Where the config is.
    """
    text = text.strip()
    if "\n" in text or len(text) > MAX_NAME:
        return False
    looks_like_one = text.startswith("file://") or _WORD.fullmatch(text) or _PATH.fullmatch(text)
    return bool(looks_like_one) or _is_file(absolute(folder, text)) or is_folder(text, folder)


def absolute(folder: Path, path: str) -> Path:
    """A path of the config from its folder; ``~`` and ``file://`` are understood."""
    path = path.strip().removeprefix("file://")
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        expanded = Path(path)
    return folder / expanded


def file_instead_of_text(text: object, folder: Path) -> str:
    """What is wrong with a text that is the name of a file, where only texts are taken; empty when nothing is."""
    if isinstance(text, str) and names_file(text, folder):
        kind = "folder" if is_folder(text, folder) else "file"
        return f"{show(text)} is the name of a {kind}, expected the text itself"
    return ""


def is_folder(text: str, folder: Path) -> bool:
    """Whether a text is the name of a folder that is there; marks alone, such as dots, are none."""
    try:
        return bool(_NAMED.search(text)) and absolute(folder, text).is_dir()
    except (OSError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
