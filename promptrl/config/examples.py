"""The example configs that ship with the package: what ``promptrl init --example NAME`` writes."""

from pathlib import Path

from promptrl.errors import UsageError, nearest


def folder() -> Path:
    """Where the examples lie: inside an installed package, or ``configs/`` of a checkout."""
    packaged = Path(__file__).parents[1] / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "configs"


def names() -> list[str]:
    """The examples that can be written, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def summary(name: str) -> str:
    """The first comment of an example: what it shows."""
    first = _path(name).read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()


def write(name: str, destination: Path, *, overwrite: bool) -> None:
    """Copy an example; the commands in its comments name the new file.

    Raises:
        UsageError: There is no such example, or the file exists and may not be overwritten.
    """
    text = _path(name).read_text(encoding="utf-8").replace(f"configs/{name}.yaml", str(destination))
    if destination.exists() and not overwrite:
        raise UsageError(f"{destination} exists; --force overwrites it")
    try:
        destination.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {destination}: {error.strerror}") from error


def _path(name: str) -> Path:
    if name not in names():
        near = nearest(name, names())
        meant = f"did you mean {near}? " if near else ""
        raise UsageError(f"there is no example {name!r}: {meant}There are {', '.join(names())}")
    return folder() / f"{name}.yaml"
