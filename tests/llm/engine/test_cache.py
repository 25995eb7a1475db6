"""The cache: keys, commits, several processes, damaged files."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchmarks.storing import store
from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import Completion, Message, Request
from promptrl.llm.engine import cache as cache_module
from promptrl.llm.engine.cache import Cache, cache_key, is_deterministic
from tests.servers.stub_target import ask

FULL = Completion("héllo\ud800", 3, 4, 0.5, 0.001, "stop", "content_filter")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """An empty cache in a folder that does not exist yet."""
    with Cache(tmp_path / "new" / "cache.sqlite") as cache:
        yield cache


def test_an_answer_comes_back_whole_and_marked_as_cached(cache: Cache) -> None:
    """Every field survives, also text that is not valid Unicode."""
    store(cache, {"a": FULL})
    (found,) = cache.get_many(["a", "b"]).values()
    assert found.is_cached
    assert (found.text, found.prompt_tokens, found.cost_usd, found.fault) == ("héllo\ud800", 3, 0.001, "content_filter")
    assert (found.completion_tokens, found.latency_s, found.finish_reason) == (4, 0.5, "stop")


def test_an_answer_survives_the_process(tmp_path: Path) -> None:
    """What was stored is in the file, although the process is killed."""
    path = tmp_path / "cache.sqlite"
    code = (
        "import os, sys, pathlib; from promptrl.llm.base import Completion; "
        "from promptrl.llm.engine.cache import Cache; from benchmarks.storing import store; "
        "store(Cache(pathlib.Path(sys.argv[1])), {'a': Completion('kept')}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    with Cache(path) as cache:
        assert cache.get_many(["a"])["a"].text == "kept"


def test_the_first_answer_stays(cache: Cache) -> None:
    """Two processes that ask the same thing end with one answer."""
    store(cache, {"a": Completion("first")})
    store(cache, {"a": Completion("second")})
    assert cache.get_many(["a"])["a"].text == "first"


def test_thousands_of_keys_are_read_at_once(cache: Cache) -> None:
    """More than SQLite allows in one statement."""
    store(cache, {str(n): Completion(str(n)) for n in range(2500)})
    found = cache.get_many([str(n) for n in range(3000)])
    assert len(found) == 2500
    assert found["2499"].text == "2499"


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Nothing is lost and nobody is locked out."""
    path = tmp_path / "cache.sqlite"
    code = (
        "import sys, pathlib; from promptrl.llm.engine.cache import Cache; from promptrl.llm.base import Completion\n"
        "from benchmarks.storing import store\n"
        "with Cache(pathlib.Path(sys.argv[1])) as cache:\n"
        "    for n in range(100): store(cache, {sys.argv[2] + str(n): Completion('x')})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    with Cache(path) as cache:
        assert cache.stats().answers == 200


def test_threads_share_one_cache(cache: Cache) -> None:
    """Reading and writing from several threads at once works."""
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(50):
                store(cache, {f"{name}{n}": Completion(name)})
                assert cache.get_many([f"{name}{n}"])[f"{name}{n}"].text == name
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert cache.stats().answers == 200


@pytest.mark.parametrize("content", [b"this is no database, " * 500, b"short", bytes(4096)])
def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """Where only a cache belongs the run goes on with an empty one, a warning names the old file, which is kept."""
    path = tmp_path / "cache.sqlite"
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"cache\.sqlite\.bad-1"), Cache(path, is_named=False) as cache:
        store(cache, {"a": FULL})
    assert (tmp_path / "cache.sqlite.bad-1").read_bytes() == content
    with Cache(path) as cache:
        assert "a" in cache.get_many(["a"])


def test_a_database_of_someone_else_is_set_aside(tmp_path: Path) -> None:
    """Nothing is written into tables that are not ours; a second bad file gets its own name."""
    path = tmp_path / "cache.sqlite"
    (tmp_path / "cache.sqlite.bad-1").touch()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (song TEXT)")
    connection.commit()
    connection.close()
    with pytest.warns(UserWarning, match="not a promptrl cache"), Cache(path, is_named=False) as cache:
        store(cache, {"a": FULL})
    other = sqlite3.connect(tmp_path / "cache.sqlite.bad-2")
    assert other.execute("SELECT count(*) FROM answers").fetchone() == (0,)
    other.close()


@pytest.mark.parametrize("content", [b"question,answer\n1,2\n" * 500, b"{}", bytes(4096), None])
def test_a_file_that_a_config_names_by_mistake_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    """The data set, somebody's database: nothing is renamed, written or left beside it."""
    path = tmp_path / "data.csv"
    if content is None:
        with contextlib.closing(sqlite3.connect(path)) as songs:
            songs.execute("CREATE TABLE songs (name TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"cache\.path: .*is no cache of promptrl"):
        Cache(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"data.csv": before}


def test_a_cache_of_another_version_is_set_aside_wherever_it_is(tmp_path: Path) -> None:
    """It was ours."""
    path = tmp_path / "cache.sqlite"
    Cache(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.warns(UserWarning, match="bad-1"), Cache(path) as cache:
        assert cache.stats().answers == 0


def test_damage_found_while_reading_is_not_fatal(tmp_path: Path) -> None:
    """Answers that can't be read are asked again."""
    path = tmp_path / "cache.sqlite"
    with Cache(path) as cache:
        store(cache, {str(n): Completion("x" * 1000) for n in range(100)})
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with Cache(path) as cache:
        with pytest.warns(UserWarning, match="bad-1"):
            assert cache.get_many([str(n) for n in range(100)]) == {}
        store(cache, {"a": FULL})
        assert "a" in cache.get_many(["a"])


def test_a_path_that_can_not_be_opened_is_a_config_error(tmp_path: Path) -> None:
    """The key is named."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cache\.path"):
        Cache(tmp_path / "file" / "cache.sqlite")
    with pytest.raises(ConfigError, match=r"output\.runs_dir"):
        Cache(tmp_path / "file" / "cache.sqlite", is_named=False)


def test_a_lock_that_can_not_be_had_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for ever: a lock that can't be made, as in /proc, looks like one that is held."""
    monkeypatch.setattr(cache_module, "_LOCK_S", 0.05)
    held = FileLock(tmp_path / "c.lock", is_singleton=False)
    with held, pytest.raises(ConfigError, match=r"cache\.path: .*c can't be opened"):
        Cache(tmp_path / "c")


def test_the_oldest_answers_go_when_the_file_is_full(tmp_path: Path) -> None:
    """Size stays near the limit and the newest answer stays."""
    with Cache(tmp_path / "cache.sqlite", max_mb=0.5) as cache:
        for n in range(40):
            store(cache, {f"{n}-{k}": Completion("x" * 1000) for k in range(25)})
        assert cache.stats().size_bytes < 600_000
        assert list(cache.get_many(["0-0", "39-24"])) == ["39-24"]


def test_an_answer_that_is_used_outlives_older_ones(tmp_path: Path) -> None:
    """What goes is what was not used for longest."""
    now = 0.0
    with Cache(tmp_path / "cache.sqlite", max_mb=0.5, clock=lambda: now) as cache:
        store(cache, {f"old-{k}": Completion("x" * 1000) for k in range(50)})
        for hour in range(20):
            now = 7200.0 * (1 + hour)
            assert cache.get_many(["old-0"])
            store(cache, {f"{hour}-{k}": Completion("x" * 1000) for k in range(50)})
        assert list(cache.get_many(["old-0", "old-1"])) == ["old-0"]


def test_an_export_holds_every_answer(cache: Cache) -> None:
    """With its key, its time and all that is known of it."""
    store(cache, {"a": FULL, "b": Completion("two")})
    rows = list(cache.export())
    assert [row["key"] for row in rows] == ["a", "b"]
    assert (rows[0]["text"], rows[0]["fault"]) == (FULL.text, FULL.fault)
    assert rows[0]["created"] > 0


def test_stats_and_clear_count_answers(cache: Cache) -> None:
    """Clear says how many went."""
    assert (cache.stats().answers, cache.stats().oldest) == (0, None)
    store(cache, {"a": FULL, "b": FULL})
    assert cache.stats().answers == 2
    assert cache.stats().oldest is not None
    assert cache.clear() == 2
    assert cache.get_many(["a"]) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"messages": (Message("user", "other"),)},
        {"messages": (Message("system", "hi"),)},
        {"params": {"temperature": 1}},
        {"params": {"temperature": 0, "top_p": 1}},
        {"repeat": 1},
    ],
)
def test_the_key_changes_with_the_question(changed: dict[str, Any]) -> None:
    """Anything that may change the answer is part of it."""
    fields: dict[str, Any] = {"messages": (Message("user", "hi"),), "params": {"temperature": 0}}
    assert cache_key("t", Request(**fields)) != cache_key("t", Request(**(fields | changed)))
    assert cache_key("t", Request(**fields)) != cache_key("u", Request(**fields))


def test_the_key_ignores_what_does_not_matter() -> None:
    """Order and spelling of parameters, parameters not given, the purpose."""
    messages = (Message("user", "hi"),)
    key = cache_key("t", Request(messages, {"temperature": 0, "max_tokens": 5}))
    assert key == cache_key("t", Request(messages, {"max_tokens": 5, "temperature": 0.0, "stop": None}, purpose="test"))


def test_the_key_is_the_same_in_every_version() -> None:
    """The answers of last month are still found."""
    messages = (Message("system", "Add."), Message("user", "é 1 + 1?"))
    key = cache_key("openai m", Request(messages, {"temperature": 0.0, "max_tokens": 8, "stop": None}))
    assert key == "859a022cee5f4379d79be3b3c219d192c6de7e972c9cb1c6868009bcffc3d424"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.7, "seed": 0}, True),
        ({"temperature": 0.7}, False),
        ({}, False),
        ({"temperature": None, "seed": None}, False),
    ],
)
def test_deterministic_means_temperature_zero_or_a_seed(params: dict[str, Any], expected: bool) -> None:
    """A server samples unless told otherwise."""
    assert is_deterministic(Request((), params)) is expected


def test_mode_all_accepts_sampled_answers(tmp_path: Path) -> None:
    """The default does not."""
    sampled = ask("hi", params={"temperature": 1})
    with Cache(tmp_path / "a") as some, Cache(tmp_path / "b", mode="all") as everything:
        assert (some.accepts(sampled), everything.accepts(sampled)) == (False, True)


def test_an_answer_that_nobody_waits_for_is_stored_all_the_same(cache: Cache) -> None:
    """And the answers after it are stored too."""
    cache.put_soon({"a": FULL}, lambda error: None)
    store(cache, {"b": FULL})
    assert set(cache.get_many(["a", "b"])) == {"a", "b"}


def test_a_file_that_can_not_be_read_stops_the_run_with_exit_4(tmp_path: Path) -> None:
    """Whoever resumes later finds it as it was."""
    path = tmp_path / "cache.sqlite"
    with Cache(path) as cache:
        store(cache, {"a": FULL})
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE answers RENAME TO moved")
        other.close()
        with pytest.raises(TargetError, match="can't be read") as caught:
            cache.get_many(["a"])
    assert caught.value.exit_code == 4


def test_a_closed_cache_refuses_answers(tmp_path: Path) -> None:
    """Instead of letting someone wait for ever; closing twice is fine."""
    with Cache(tmp_path / "c") as cache:
        cache.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store(cache, {"a": FULL})
