"""All runs below one folder: a new one takes its number, an earlier one is found by what a person says of it."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptrl.errors import RunFolderError, RunNotFoundError, UsageError
from promptrl.runs.folder import Run
from promptrl.runs.writing import writing
from promptrl.settings import EXPERIMENT_NAME

_RUN_ID = re.compile(rf"(?P<experiment>{EXPERIMENT_NAME})-(?P<version>\d{{4,}})")


class RunsFolder:
    """All runs below one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, experiment: str) -> Run:
        """Take the next version of an experiment by an atomic mkdir; safe between processes.

        Raises:
            UsageError: The name can't be a folder's name, or the folder can't be written.
        """
        if not re.fullmatch(EXPERIMENT_NAME, experiment):
            raise UsageError(f"an experiment can't be named {experiment!r}")
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            return Run(self._take_version(experiment))

    def make(self) -> None:
        """Make the folder if need be.

        Raises:
            UsageError: It can't be made, or not be written to.
        """
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"can't write to the runs folder {self.path}: {error.strerror}") from error

    def all(self) -> list[Run]:
        """Every run, newest first by start time."""
        runs = [Run(self.path / name) for name in self._names()]
        return sorted(runs, key=_age, reverse=True)

    def find(self, reference: str) -> Run:
        """The run meant by a path, an id, a unique prefix, ``latest`` or ``latest:NAME``.

        Raises:
            RunNotFoundError: There is none, or more than one.
        """
        if reference == "latest" or reference.startswith("latest:"):
            name = reference.partition(":")[2]
            for run in self.all():
                if not name or _split_id(run.id)[0] == name:
                    return run
            raise RunNotFoundError(f"no run{' of ' + name if name else ''} in {self.path}")
        names = self._names()
        if reference in names:
            return Run(self.path / reference)
        path = Path(reference)
        if _RUN_ID.fullmatch(path.resolve().name) and (path / "run.json").is_file():
            return Run(path.resolve())
        if os.sep in reference:
            raise RunNotFoundError(f"{reference} is not a run folder")
        matches = [name for name in names if reference and name.startswith(reference)]
        if len(matches) == 1:
            return Run(self.path / matches[0])
        if matches:
            raise RunNotFoundError(f"{reference!r} may mean {', '.join(sorted(matches)[:5])}: say more of it")
        raise RunNotFoundError(f"no run {reference!r} in {self.path}")

    def remove(self, run: Run) -> None:
        """Delete a run of this folder for good.

        Raises:
            RunLockedError: A process works in it.
            RunNotFoundError: It lies elsewhere.
            RunFolderError: It may not be written to.
        """
        if run.path.parent.resolve() != self.path.resolve():
            raise RunNotFoundError(f"{run.path} is not in {self.path}")
        with run.locked(), writing(run.path):
            shutil.rmtree(run.path)

    def _take_version(self, experiment: str) -> Path:
        version = 1 + max((v for e, v in map(_split_id, self._names()) if e == experiment), default=0)
        while True:
            path = self.path / f"{experiment}-{version:04d}"
            try:
                path.mkdir()
            except FileExistsError:
                version += 1
            else:
                return path

    def _names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return [p.name for p in self.path.iterdir() if _RUN_ID.fullmatch(p.name) and p.is_dir() and not p.is_symlink()]


def _age(run: Run) -> tuple[str, str]:
    """What sorts a run among others: when it started, if it says so."""
    try:
        return run.info.get("started", ""), run.id
    except RunFolderError:
        return "", run.id


def _split_id(run_id: str) -> tuple[str, int]:
    experiment, _, version = run_id.rpartition("-")
    return experiment, int(version)
