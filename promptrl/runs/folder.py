"""The only reader and writer of run folders (DESIGN.md, section 8), with ``outcome_file.py`` for what grows in them.

A run is a folder ``<runs_dir>/<experiment>-<NNNN>``. Everything in it is written atomically or appended line by line,
``result.json`` last: it exists = the run is done. A lock file says whether a process works in the folder; a run that
says "running" while nobody holds its lock was interrupted.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from promptrl.errors import RunFolderError, RunLockedError
from promptrl.evaluation.outcome import Outcome
from promptrl.prompts.prompt import Prompt
from promptrl.runs.formats import ATTRIBUTION, DIVISION, FINALIST, INFO, RESULT, SETTINGS
from promptrl.runs.outcome_file import read_outcomes, read_prompts
from promptrl.runs.reading import check, damaged, read_list, read_object, read_text
from promptrl.runs.writing import put_on_disk, writing

FORMAT = 1
CONFIG_NAME = "config.resolved.yaml"
DIVISION_NAME = "rows.json"
Status = Literal["running", "done", "interrupted", "failed", "damaged"]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a list of runs shows of one run.

    Attributes:
        run_id: Folder name.
        experiment: The config's ``name``.
        status: See the module's docstring; ``damaged`` where a file that says it can't be read.
        started: ISO 8601, UTC.
        result: The parsed result.json; None until the run is done.
    """

    run_id: str
    experiment: str
    status: Status
    started: str
    result: Mapping[str, Any] | None


class Run:
    """One run folder; opening it reads nothing and locks nothing.

    Whatever reads a file of it raises ``RunFolderError`` when that is not as it was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock")

    @property
    def id(self) -> str:
        """The folder's name, ``<experiment>-<NNNN>``."""
        return self.path.name

    @property
    def info(self) -> dict[str, Any]:
        """The parsed run.json; empty when it is missing (the process died while creating the run)."""
        return read_object(self.path / "run.json", INFO)

    def known_info(self) -> dict[str, Any]:
        """As ``info``, for whom nothing can be done without it.

        Raises:
            RunFolderError: It is missing or damaged.
        """
        info = self.info
        if not info:
            raise damaged(str(self.path / "run.json"), "is missing")
        return info

    @property
    def result(self) -> dict[str, Any] | None:
        """The parsed result.json; None until the run is done."""
        return read_object(self.path / "result.json", RESULT) or None

    @property
    def status(self) -> Status:
        """What state the run is in now."""
        if self.result is not None:
            return "done"
        if self.info.get("status") == "failed":
            return "failed"
        return "running" if self._is_locked() else "interrupted"

    @property
    def elapsed_s(self) -> float:
        """Seconds that the run took in all its processes, as far as run.json knows."""
        return float(self.info.get("elapsed_s") or 0.0)

    def summary(self) -> RunSummary:
        """The run's line in a list, also of one that is damaged."""
        experiment = self.id.rpartition("-")[0]
        try:
            info, status, result = self.info, self.status, self.result
        except RunFolderError:
            return RunSummary(self.id, experiment, "damaged", "", None)
        return RunSummary(self.id, info.get("experiment", experiment), status, info.get("started", ""), result)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            RunLockedError: Another process works in it.
            RunFolderError: It can't be written to.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunLockedError(f"another process works in run {self.id}") from error
        except OSError as error:
            raise RunFolderError(f"can't write {self.path / '.lock'}: {error.strerror}") from error
        try:
            yield
        finally:
            self._lock.release()

    def start(self, info: Mapping[str, Any], config_text: str, resolved: str) -> None:
        """Write the config as given, the config as understood, and run.json."""
        self.write_text("config.yaml", config_text)
        self.write_text(CONFIG_NAME, resolved)
        started = datetime.now(UTC).isoformat(timespec="microseconds")
        self.write_json(
            "run.json", {"format": FORMAT, "run_id": self.id, "status": "running", "started": started, **info}
        )

    @property
    def identity(self) -> str:
        """Id and start: after a run was removed, another one bears its id."""
        return f"{self.id} {self.info.get('started', '')}"

    def update(self, **changes: object) -> None:
        """Set keys of run.json and keep the others; the file is replaced at once."""
        self.write_json("run.json", {**self.info, **changes})

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, last of all: from here on the run is done."""
        self.update(status="done", stop_reason=result.get("stop_reason"), ended=_now())
        self.write_json("result.json", result)

    def write_json(self, name: str, content: object) -> None:
        """Write a JSON file atomically."""
        self.write_text(name, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file atomically."""
        self.write_bytes(name, text.encode("utf-8", errors="backslashreplace"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file atomically; a run folder that was removed is not made anew.

        Raises:
            RunFolderError: It can't be written.
        """
        path = self.path / name
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with writing(path):
            if path.parent != self.path:
                self.folder(str(path.parent.relative_to(self.path)))
            with draft.open("wb") as file:
                file.write(content)
                put_on_disk(file)
            draft.replace(path)

    def folder(self, name: str) -> Path:
        """A subfolder, made if need be.

        Raises:
            RunFolderError: It can't be made.
        """
        path = self.path
        with writing(self.path / name):
            for part in Path(name).parts:
                path /= part
                path.mkdir(exist_ok=True)
        return path

    def leaderboard(self) -> list[dict[str, Any]]:
        """The finalists, the winner first; empty until the finals are over."""
        return read_list(self.path / "leaderboard.json", FINALIST)

    @property
    def attribution(self) -> dict[str, Any]:
        """The parsed attribution.json: what the run says about single edits; empty without."""
        return read_object(self.path / "attribution.json", ATTRIBUTION)

    @property
    def division(self) -> dict[str, Any]:
        """The parsed rows.json: which rows the run uses for what; empty without."""
        return read_object(self.path / DIVISION_NAME, DIVISION)

    @property
    def config_text(self) -> str:
        """The config as it was understood; empty without."""
        return read_text(self.path / CONFIG_NAME)

    @property
    def settings(self) -> dict[str, Any]:
        """The same, parsed."""
        import yaml

        place = str(self.path / CONFIG_NAME)
        try:
            settings = yaml.safe_load(self.config_text) or {}
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise damaged(place, "is not YAML") from error
        check(settings, SETTINGS, place)
        return dict(settings)

    def new_evaluation(self) -> str:
        """Make a new, empty folder for an evaluation and give its name in the run, ``evals/<n>``, counted from 1."""
        evals = self.folder("evals")
        number = 1 + max((int(p.name) for p in evals.iterdir() if p.name.isdigit()), default=0)
        while True:
            with writing(evals / str(number)):
                try:
                    (evals / str(number)).mkdir()
                except FileExistsError:
                    number += 1
                else:
                    return f"evals/{number}"

    def outcomes(self) -> list[Outcome]:
        """Every outcome logged so far; a torn last line (the process died while writing) is left out."""
        return list(read_outcomes(self.path / "outcomes.jsonl"))

    def prompts(self) -> dict[str, Prompt]:
        """Every prompt asked so far, by id."""
        return read_prompts(self.path / "prompts.jsonl")

    def _is_locked(self) -> bool:
        if not self.path.is_dir():  # the probe would make it
            return False
        probe = FileLock(self.path / ".lock", is_singleton=False)
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            return False
        probe.release()
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
