"""Blocks say which of their keys are paths, by the types of their fields alone."""

from pydantic import Field

from promptrl.config.blocks import Block, FilePath, PathText


class Inner(Block):
    """A block within another."""

    rows: FilePath
    log: FilePath | None = None


class Outer(Block):
    """A block with paths of every sort."""

    file: FilePath = Field(alias="file-name")
    folder: PathText = "runs"
    inner: Inner
    other: Inner | None = None
    listed: tuple[Inner, ...] = ()


def test_a_block_says_which_of_its_keys_are_paths() -> None:
    """Those of blocks within too, by their names in YAML; not those that are relative to something else, nor null."""
    block = Outer.model_validate({"file-name": "a.csv", "inner": {"rows": "b.csv"}})
    assert list(block.paths()) == [(("file-name",), "a.csv"), (("inner", "rows"), "b.csv")]
    filled = Outer.model_validate(
        {"file-name": "a", "inner": {"rows": "b", "log": "c"}, "other": {"rows": "d"}, "folder": "e"}
    )
    assert [".".join(key) for key, _ in filled.paths()] == ["file-name", "inner.rows", "inner.log", "other.rows"]
    listed = Outer.model_validate({"file-name": "a", "inner": {"rows": "b"}, "listed": [{"rows": "c"}, {"rows": "d"}]})
    assert [".".join(key) for key, _ in listed.paths()][2:] == ["listed.0.rows", "listed.1.rows"]
