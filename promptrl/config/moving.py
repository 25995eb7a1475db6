"""Writes the relative paths of a config anew for another folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptrl.config.loading import LoadedConfig
from promptrl.config.named_files import named_files
from promptrl.config.rewriting import rewritten
from promptrl.config.source import parse


def moved(loaded: LoadedConfig, folder: Path) -> str:
    """The text of a config as it must be in another folder to name the same files; ``runs_dir`` is of no folder.

    Args:
        loaded: The config where it was.
        folder: Where it shall lie.
    """
    to = folder.resolve()
    if to == loaded.folder.resolve():
        return loaded.text
    data = parse(loaded.text, "")[0].data
    for block, key in _paths(loaded, data):
        path = loaded.resolve(block[key])
        if not path.startswith(("builtin:", "hf:")) and not block[key].startswith(("~", "/", "file:///")):
            block[key] = os.path.relpath(Path(path).resolve(), to)
    return rewritten(loaded.text, data)


def _paths(loaded: LoadedConfig, data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each path that is written in the data: the block that holds it, and its key there."""
    for (*above, key), _ in loaded.config.paths():
        block: Any = data
        for name in above:
            is_there = isinstance(block, list) and name.isdecimal() and int(name) < len(block)
            block = block[int(name)] if is_there else block.get(name) if isinstance(block, dict) else None
        if isinstance(block, dict) and isinstance(block.get(key), str):
            yield block, key
    for path, block in named_files(data, loaded.folder):
        yield block, path[-1]
