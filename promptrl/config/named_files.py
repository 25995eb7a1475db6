"""Reads in the files that a config names where it could hold their content itself."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from promptrl.config.blocks import Issue
from promptrl.config.file_names import absolute, file_instead_of_text, names_file
from promptrl.config.metrics import json_file_settings
from promptrl.config.plain_data import plain
from promptrl.config.source import KeyPath, SourceError, dump, parse
from promptrl.errors import show
from promptrl.tasks.strict_json import read_json

MAX_FILE_BYTES = 5_000_000


def read_named_files(data: dict[str, Any], folder: Path) -> list[Issue]:
    """Replace the files that ``prompt.text``, ``edits.tokens`` and metrics name by their content.

    Args:
        data: Of the config; changed in place.
        folder: What names are relative to.

    Returns:
        What is wrong with the names and the files.
    """
    issues: list[Issue] = [*_misplaced_files(data.get("prompt"), folder)]
    understood: dict[KeyPath, Callable[[str], Any]] = {
        ("prompt", "text"): str.strip,
        ("edits", "tokens"): lambda text: list(dict.fromkeys(text.split())),
    }
    for path, block in named_files(data, folder):
        name = block[path[-1]]
        try:
            content = read_text(absolute(folder, name), f"the file {show(name)} ")
            block[path[-1]] = understood.get(path, _json_as_in_yaml)(content)
        except SourceError as error:
            issues.append(Issue(path, error.issue.message))
        except ValueError as error:
            issues.append(Issue(path, f"the file {show(name)} holds no JSON schema: {error}"))
    return issues


def named_files(data: Mapping[str, Any], folder: Path) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Where files are named whose content is meant, and the block of each; the last of the keys is that in the block.

    Args:
        data: A config as it was written.
        folder: Where it lies.
    """
    reward = data.get("reward")
    metrics = reward.get("metrics") if isinstance(reward, dict) else None
    places: list[tuple[KeyPath, Any]] = [
        (("prompt", "text"), data.get("prompt")),
        (("edits", "tokens"), data.get("edits")),
    ]
    for position, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        for key in json_file_settings(metric.get("type") if isinstance(metric, dict) else None):
            places.append((("reward", "metrics", str(position), key), metric))
    for path, block in places:
        name = block.get(path[-1]) if isinstance(block, dict) else None
        if isinstance(name, str) and (path[-1] != "text" or names_file(name, folder)):
            yield path, block


def _json_as_in_yaml(text: str) -> Any:
    """What a JSON file holds, if a config could hold it too: from a run's own config it is read again.

    Raises:
        ValueError: It is no JSON, or nests too deeply.
    """
    issues: list[Issue] = []
    try:
        source, unreadable = parse(dump(plain(read_json(text), issues)), "")
    except RecursionError as error:
        raise ValueError("nests too deeply") from error
    except SourceError as error:
        raise ValueError(error.issue.message) from error
    for issue in (*issues, *(issue for issue, _ in unreadable)):
        raise ValueError(f"{'.'.join(issue.path)}: {issue.message}")
    return source.data


def _misplaced_files(prompt: Any, folder: Path) -> Iterator[Issue]:
    """Of names of files where a prompt takes only texts."""
    slots = prompt.get("slots") if isinstance(prompt, dict) else None
    for name, options in (slots if isinstance(slots, dict) else {}).items():
        for position, option in enumerate(options if isinstance(options, list) else ()):
            if wrong := file_instead_of_text(option, folder):
                hint = "paste it, or give the whole prompt as prompt.text, which may name a file"
                yield Issue(("prompt", "slots", name, str(position)), wrong, hint)
    user = prompt.get("user") if isinstance(prompt, dict) else None
    turns: list[tuple[KeyPath, Any]] = [(("prompt", "user"), user)]
    if isinstance(user, list):
        contents = [turn.get("content") if isinstance(turn, dict) else None for turn in user]
        turns = [(("prompt", "user", str(position), "content"), content) for position, content in enumerate(contents)]
    for path, content in turns:
        if wrong := file_instead_of_text(content, folder):
            yield Issue(path, wrong, "paste it, or give the file as prompt.text")


def read_text(path: Path, name: str = "") -> str:
    """Read a text file of bearable size.

    Args:
        path: The file.
        name: What messages begin with.

    Raises:
        SourceError: It can't be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) <= MAX_FILE_BYTES:
            return content.decode("utf-8-sig").replace("\r\n", "\n")
        message = f"{name}is larger than {MAX_FILE_BYTES // 1_000_000} MB"
    except FileNotFoundError:
        message = f"{name}does not exist"
    except IsADirectoryError:
        message = f"{name}is a folder, expected a file of text"
    except UnicodeDecodeError as error:
        message = f"{name}is not UTF-8 text (byte {error.start})"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"{name}can't be read: {reason}"
    raise SourceError(Issue((), message))
