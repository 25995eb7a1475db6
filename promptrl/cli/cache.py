"""Commands about the cache of answers: ``cache stats|clear|export``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, AsJson, RunsDir

if TYPE_CHECKING:
    from promptrl.llm.engine.cache import Cache

app = typer.Typer(no_args_is_help=True, help="Look at, empty or export the cache of answers.")

CachePath = Annotated[
    Path | None,
    typer.Option("--path", help="The cache's file, where a config has `cache.path` (default: in RUNS_DIR)."),
]


@app.command()
def stats(runs_dir: RunsDir = DEFAULT_RUNS_DIR, path: CachePath = None, as_json: AsJson = False) -> None:
    """Count the answers and measure the file."""
    from promptrl import console

    with _open(runs_dir, path) as cache:
        console.show_cache(cache.stats(), as_json=as_json)


@app.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    path: CachePath = None,
) -> None:
    """Delete every answer for good: they will have to be paid for again (run folders stay)."""
    from promptrl import console
    from promptrl.errors import UsageError

    with _open(runs_dir, path) as cache:
        question = f"Delete {cache.stats().answers:,} answers in {cache.path} for good?"
        try:
            is_wanted = yes or typer.confirm(question, err=True)
        except typer.Abort as error:
            raise UsageError("nobody answered, so nothing was deleted; --yes deletes without asking") from error
        console.show_message(f"Deleted {cache.clear():,} answers." if is_wanted else "Nothing deleted.")


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; stdout unless given.")] = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    path: CachePath = None,
) -> None:
    """Write every answer as one JSON object a line, the oldest first."""
    from promptrl import console
    from promptrl.errors import UsageError

    with _open(runs_dir, path) as cache:
        lines = (json.dumps(answer) + "\n" for answer in cache.export())
        if file is None:
            for line in lines:
                console.print_text(line)
            return
        try:
            with file.open("w", encoding="utf-8") as out:
                count = sum(out.write(line) > 0 for line in lines)
        except OSError as error:
            raise UsageError(f"{file} can't be written: {error.strerror}") from error
        console.show_message(f"Wrote {count:,} answers to {file}.")


@contextmanager
def _open(runs_dir: Path, path: Path | None) -> Iterator["Cache"]:
    """The cache while inside; unlike a run, a command that looks at a file sets none aside."""
    import sqlite3

    from promptrl.errors import ConfigError, UsageError
    from promptrl.experiment.engines import CACHE_NAME
    from promptrl.llm.engine.cache import Cache, is_cache

    path = path or runs_dir / CACHE_NAME
    if not path.is_file():
        raise UsageError(f"there is no cache at {path}")
    if not is_cache(path):
        raise UsageError(f"{path} is not a promptrl cache of this version")
    try:
        with Cache(path) as cache:
            yield cache
    except ConfigError as error:
        raise UsageError(error.problems[0].message) from error
    except sqlite3.Error as error:
        raise UsageError(f"cache {path} can't be used: {error}") from error
