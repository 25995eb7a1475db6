"""The cache of answers: one SQLite file, shared by any number of processes.

One writer thread commits what has gathered since its last commit in one transaction, and says when the answers are on
disk, so that nobody uses an answer that a kill could lose. Only completions are stored (also
bad ones: they were paid for), never errors.
"""

import contextlib
import hashlib
import json
import queue
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from filelock import FileLock

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import Completion, Request

_KEY_VERSION = 1
_FORMAT = 2
_APPLICATION_ID = 0x70726C63  # "prlc", in the header of the file
_LOCK_S = 30.0
"""How long other processes may lock the file; where no lock can be made, as in /proc, it is waited for too."""
_READ_CHUNK = 500
_WRITE_CHUNK = 1000
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key TEXT PRIMARY KEY, completion TEXT NOT NULL, created REAL NOT NULL, used REAL NOT NULL)"
)
_USE_NOTED_S = 3600.0
"""A use is written down when the last one noted is older than this: reading an answer costs no write as a rule."""
_encode_question = json.JSONEncoder(sort_keys=True).encode  # json.dumps makes an encoder anew for each
_STORED_FIELDS = ("text", "prompt_tokens", "completion_tokens", "latency_s", "cost_usd", "finish_reason", "fault")


def cache_key(identity: str, request: Request) -> str:
    """Name the question by content: 64 hex digits.

    Parameters that are None count as absent and 0.0 as 0; the purpose does not matter.
    """
    params = {name: _canonical(value) for name, value in request.params.items() if value is not None}
    messages = [[message.role, message.content] for message in request.messages]
    question = _encode_question([_KEY_VERSION, identity, messages, params, request.repeat])
    return hashlib.sha256(question.encode()).hexdigest()


def is_deterministic(request: Request) -> bool:
    """Whether asking again should give the same answer: the temperature is given as 0, or a seed is given.

    A temperature that is not given is the server's default, which samples.
    """
    temperature = request.params.get("temperature")
    return (temperature is not None and temperature == 0) or request.params.get("seed") is not None


def is_cache(path: Path) -> bool:
    """Whether a file is a cache of this version, by its header; nothing is written or renamed.

    One of any version is where its folder may not be written to: SQLite looks into none there.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    except sqlite3.OperationalError:
        with contextlib.suppress(OSError):
            return not _is_foreign(path)
        return False
    except sqlite3.Error:
        return False
    return found == [_APPLICATION_ID, _FORMAT]


def refuse_foreign(path: Path) -> None:
    """Make sure that a path that a config names holds a cache, of any version, or nothing.

    Raises:
        ConfigError: It holds something else.
        OSError: It can't be read.
    """
    if path.is_dir() or _is_foreign(path):
        message = f"{path} is no cache of promptrl, and is left as it is"
        raise ConfigError([Problem("cache.path", message, "name another file; it is made if it is not there")])


@dataclass(frozen=True, slots=True)
class _Write:
    """Answers to store, whom to call when they are, and the keys of answers that were used again."""

    completions: Mapping[str, Completion]
    on_done: Callable[[Exception | None], object]
    used: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Size of a cache file.

    Attributes:
        path: The file.
        answers: Completions stored.
        size_bytes: Bytes that they use, without free pages.
        oldest: Unix time of the oldest answer; None when empty.
    """

    path: Path
    answers: int
    size_bytes: int
    oldest: float | None


class Cache:
    """Completions by question; safe to use from several threads and processes.

    A cache that is damaged, or of another version, is renamed and a new one begun; a warning says so. Any other file in
    its place is somebody else's, and stays as it is.

    Args:
        path: The SQLite file; folders are made.
        mode: Keep only answers to deterministic questions (``is_deterministic``), or all.
        max_mb: When the file grows past this, the tenth that was not used for longest goes.
        is_named: Whether a config names the path; else nothing but a cache belongs there.
        clock: Unix time.

    Raises:
        ConfigError: The file can't be opened or written, or is no cache.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: Literal["deterministic", "all"] = "deterministic",
        max_mb: float = 1000,
        is_named: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._clock = clock
        self._is_named = is_named
        self._mode = mode
        self._max_bytes = max_mb * 1e6
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            key, hint = ("cache.path", "cache.mode: off") if is_named else ("output.runs_dir", "name a folder of yours")
            raise ConfigError([Problem(key, f"{path} can't be opened: {error}", hint)]) from error
        self._inbox: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_until_closed, name="promptrl-cache", daemon=True)
        self._writer.start()

    def accepts(self, request: Request) -> bool:
        """Whether the answer to this request is kept."""
        return self._mode == "all" or is_deterministic(request)

    def get_many(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Read what is known of these questions; each completion has ``is_cached`` set.

        Raises:
            TargetError: The file can't be read now: another process has locked it for long, or the disk fails.
        """
        with self._lock:
            try:
                found = list(self._read(keys))
            except sqlite3.OperationalError as error:
                raise TargetError(f"cache {self.path} can't be read: {error}") from error
            except sqlite3.DatabaseError as error:
                self._start_over(error)
                found = []
        now = self._clock()
        if stale := [key for key, _, used in found if used < now - _USE_NOTED_S]:
            self._inbox.put(_Write({}, lambda _: None, used=stale))
        return {key: Completion(**json.loads(text), is_cached=True) for key, text, _ in found}

    def put_soon(self, completions: Mapping[str, Completion], on_done: Callable[[Exception | None], object]) -> None:
        """Store answers in the background; a question that has one keeps it.

        Args:
            completions: By key.
            on_done: Called once from the writer's thread: with None when all are committed, else with the error.
        """
        if self._writer.is_alive():
            self._inbox.put(_Write(dict(completions), on_done))
        else:
            on_done(sqlite3.ProgrammingError("the cache is closed"))

    def stats(self) -> CacheStats:
        """How many answers there are, how many bytes they take, and when the oldest was kept (Unix time)."""
        with self._lock:
            answers, oldest = self._connection.execute("SELECT count(*), min(created) FROM answers").fetchone()
            return CacheStats(self.path, answers, self._used_bytes(), oldest)

    def export(self) -> Iterator[dict[str, Any]]:
        """Every answer, the oldest first, with its ``key`` and when it was ``created``, Unix time."""
        rows = self._connection.execute("SELECT key, completion, created FROM answers ORDER BY created, rowid")
        for key, completion, created in rows:
            yield {"key": key, "created": created, **json.loads(completion)}

    def clear(self) -> int:
        """Delete every answer and return how many there were."""
        with self._lock:
            deleted = self._connection.execute("DELETE FROM answers").rowcount
            self._connection.execute("VACUUM")
            return deleted

    def close(self) -> None:
        """Commit what is waiting and close the file; a second call does nothing."""
        if self._writer.is_alive():
            self._inbox.put(None)
            self._writer.join()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        if self._is_named:
            refuse_foreign(self.path)
        with FileLock(f"{self.path}.lock", timeout=_LOCK_S):
            try:
                return self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
                return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_LOCK_S, isolation_level=None, check_same_thread=False)
        try:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and (application_id, version) != (_APPLICATION_ID, _FORMAT):
                raise sqlite3.DatabaseError("not a promptrl cache of this version")
            if application_id != _APPLICATION_ID:  # before WAL, so that the file itself says at once that it is ours
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a commit survives a kill of the process
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.bad-{number}")).exists():
            number += 1
        self.path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        warnings.warn(
            f"cache {self.path} can't be read ({error}): renamed to {aside.name}, a new one is begun", stacklevel=2
        )

    def _start_over(self, error: sqlite3.Error) -> None:
        self._connection.close()
        with FileLock(f"{self.path}.lock", timeout=_LOCK_S):
            with contextlib.suppress(FileNotFoundError):
                self._set_aside(error)
            self._connection = self._connect()

    def _read(self, keys: Sequence[str]) -> Iterator[tuple[str, str, float]]:
        for start in range(0, len(keys), _READ_CHUNK):
            chunk = keys[start : start + _READ_CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, completion, used FROM answers WHERE key IN ({marks})"  # noqa: S608 - only question marks
            yield from self._connection.execute(query, chunk)

    def _write_until_closed(self) -> None:
        is_open = True
        while is_open:
            batch = [self._inbox.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < _WRITE_CHUNK:
                    batch.append(self._inbox.get_nowait())
            is_open = None not in batch
            writes = [item for item in batch if item is not None]
            failure: Exception | None = None
            try:
                self._commit(writes)
            except Exception as error:
                failure = error
            for write in writes:
                write.on_done(failure)

    def _commit(self, writes: Sequence[_Write]) -> None:
        now = self._clock()
        answers = [(key, _to_text(c), now, now) for write in writes for key, c in write.completions.items()]
        used = [(now, key) for write in writes for key in write.used]
        with self._lock:
            try:
                self._write(answers, used)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._start_over(error)
                self._write(answers, used)

    def _write(self, answers: list[tuple[str, str, float, float]], used: list[tuple[float, str]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", answers)
            self._connection.executemany("UPDATE answers SET used = ? WHERE key = ?", used)
            self._make_room()
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _make_room(self) -> None:
        if self._used_bytes() > self._max_bytes:
            tenth = "SELECT rowid FROM answers ORDER BY used, rowid LIMIT (SELECT count(*) / 10 + 1 FROM answers)"
            self._connection.execute(f"DELETE FROM answers WHERE rowid IN ({tenth})")  # noqa: S608 - a constant

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _is_foreign(path: Path) -> bool:
    """Whether there is a file that never was a cache: the header of one, of any version, holds our number."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return False
    with path.open("rb") as file:
        header = file.read(100)
    return not (header.startswith(b"SQLite format 3\0") and header[68:72] == _APPLICATION_ID.to_bytes(4, "big"))


def _to_text(completion: Completion) -> str:
    return json.dumps({name: getattr(completion, name) for name in _STORED_FIELDS})


def _canonical(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
