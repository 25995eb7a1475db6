"""Loads data sets of the Hugging Face hub, with the optional ``datasets`` package (extra ``datasets``)."""

from typing import Any

from promptrl.errors import ConfigError, Problem, TargetError, suggest
from promptrl.tasks.formats import Row


def load_hub_rows(name: str, key: str) -> list[Row]:
    """Read one split of a data set.

    Args:
        name: ``NAME[:CONFIG][:SPLIT]``; a single part after the name is a config when the data set has one of that
            name, else a split. The split may be left out when there is but one.
        key: Config key to blame.

    Raises:
        ConfigError: The package is missing, or there is no such config or split.
        TargetError: The hub can't be reached or has no such data set.
    """
    try:
        import datasets
    except ImportError as error:
        message = f"hf:{name} needs the package datasets, which is not installed"
        raise ConfigError([Problem(key, message, "pip install 'promptrl[datasets]'")]) from error
    path, *parts = name.split(":")
    if not path or len(parts) > 2:
        raise ConfigError([Problem(key, f"got hf:{name}, expected hf:NAME, then :CONFIG, then :SPLIT")])
    try:
        config, split = _config_and_split(datasets, path, [part for part in parts if part])
        loaded = datasets.load_dataset(path, config)
    except ValueError as error:
        raise ConfigError([Problem(key, f"hf:{name}: {_first_line(error)}")]) from error
    except (OSError, RuntimeError) as error:
        raise TargetError(f"{key}: hf:{name} can't be loaded: {_first_line(error)}") from error
    names = list(loaded)
    if split is None and len(names) == 1:
        split = names[0]
    if split not in names:
        problem = f"has no split {split!r}" if split else "has several splits"
        hint = suggest(split, names) if split else f"say which: {', '.join(names)}"
        raise ConfigError([Problem(key, f"hf:{name} {problem}", hint)])
    return [dict(row) for row in loaded[split]]


def _config_and_split(datasets: Any, path: str, parts: list[str]) -> tuple[str | None, str | None]:
    if len(parts) == 2:
        return parts[0], parts[1]
    if not parts:
        return None, None
    is_config = parts[0] in datasets.get_dataset_config_names(path)
    return (parts[0], None) if is_config else (None, parts[0])


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
