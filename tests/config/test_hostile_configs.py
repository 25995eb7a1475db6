"""Whatever a config file holds, it is a config or a ConfigError."""

import contextlib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptrl.config import load_config, schema_rows
from promptrl.config.source import dump, parse
from promptrl.errors import ConfigError

GOOD = (
    "name: demo\ntarget: {type: local}\nprompt: {slots: {task: [a, b]}}\n"
    "dataset: {path: builtin:sentiment, input: text, reference: label}\nreward: {metrics: [{type: choice}]}\n"
)
MARKS = ": , [ ] { } - & * ! % @ ` ' \" | > ? # << *a &a !!int !!float 1e5 .inf \x85"
PIECES = st.sampled_from([*MARKS.split(" "), "\n", "\n  ", "\t", "\\ud800"])
YAML_LIKE = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
KEYS = sorted({row.key.replace(".N.", ".0.") for row in schema_rows()})
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> None:
    """Load a text; only a ConfigError is bearable."""
    path = folder / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        loaded = load_config(path, overrides)
        path.write_text(loaded.resolved_yaml(), encoding="utf-8")
        assert load_config(path).resolved_yaml() == loaded.resolved_yaml()


@FUZZ
@given(text=st.one_of(st.text(), YAML_LIKE))
def test_any_text_is_a_config_or_a_config_error(text: str, tmp_path: Path) -> None:
    """A fault in a file never ends in a traceback."""
    load(tmp_path, text)
    load(tmp_path, GOOD + text)
    load(tmp_path, GOOD.replace("demo", text))


@FUZZ
@given(content=st.binary())
def test_any_bytes_are_a_config_or_a_config_error(content: bytes, tmp_path: Path) -> None:
    """A picture given by mistake gets a sentence."""
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_config(path)


@FUZZ
@given(key=st.sampled_from(KEYS), value=VALUES, whole=st.booleans())
def test_any_value_at_any_key_is_fine_or_a_config_error(key: str, value: Any, whole: bool, tmp_path: Path) -> None:
    """Values of a wrong kind are found where they stand, in files and in overrides."""
    written = dump({"v": value}).removeprefix("v:").strip() if whole else str(value)
    load(tmp_path, GOOD, (f"{key}={written}",))


@FUZZ
@given(override=st.text())
def test_any_override_is_fine_or_a_config_error(override: str, tmp_path: Path) -> None:
    """What a shell made of an argument gets a sentence."""
    load(tmp_path, GOOD, (override,))


@FUZZ
@given(value=VALUES)
def test_what_is_written_reads_back_as_the_same(value: Any) -> None:
    """Plain data survives being written as YAML and read in our dialect."""
    source, issues = parse(dump({"value": value}), "file")
    assert not issues
    assert source.data == {"value": value}
