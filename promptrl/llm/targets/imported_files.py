"""Which files of a user's own a module stands on: those that it imports, and what they import in turn."""

import ast
from collections.abc import Iterator
from pathlib import Path

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def imported_files(file: Path, folder: Path | None) -> list[Path]:
    """The modules within the folder that the file imports, also within functions and in turn, sorted; without itself.

    Args:
        file: The source of a module.
        folder: Where modules of the user's own are; None = beside the file, unless that is installed.
    """
    if folder is None and _INSTALLED & set(file.parts):
        return []
    root = (folder or file.parent).resolve()
    found, waiting = {file.resolve()}, [file.resolve()]
    while waiting:
        for path in _imported(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found - {file.resolve()})


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """Files within the root that one module imports by name."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(root, alias.name.split("."), root)
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else root
            steps = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _files_of(base, [*steps, alias.name], root)


def _files_of(base: Path, steps: list[str], root: Path) -> Iterator[Path]:
    """The files that an import of this name runs: of each package on the way, and of the module itself."""
    for count in range(len(steps) + 1):
        place = base.joinpath(*steps[:count])
        candidates = [place / "__init__.py"] + ([place.with_name(f"{place.name}.py")] if count else [])
        for path in candidates:
            if path.is_file() and path.resolve().is_relative_to(root) and not _INSTALLED & set(path.parts):
                yield path.resolve()
