"""The blocks of a config that say where the examples are and how they are divided."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from promptrl.config.blocks import Block, Count, Expect, FilePath, Issue, Number, Switch, Text, Whole
from promptrl.errors import show
from promptrl.prompts.placeholders import IDENTIFIER
from promptrl.tasks.data_file import TABLES, format_by_name, is_encoding


class FilesConfig(Block):
    """One file per split."""

    train: FilePath = Field(description="File of the train rows.")
    validation: FilePath = Field(description="File of the validation rows.")
    test: FilePath = Field(description="File of the test rows.")


class SplitsConfig(Block):
    """How one file is divided, as shares of its different inputs: a hash of the input says where a row goes."""

    train: Number = Field(default=0.5, gt=0, lt=1, description="Share of the inputs for rewards.")
    validation: Number = Field(default=0.25, gt=0, lt=1, description="Share of the inputs to choose the winner.")
    test: Number = Field(default=0.25, gt=0, lt=1, description="Share of the inputs for the final verdict.")

    def issues(self) -> Iterator[Issue]:
        """The shares can't be more than the whole."""
        total = self.train + self.validation + self.test
        if total > 1 + 1e-9:
            yield Issue((), f"the shares add up to {total:g}, expected at most 1")


class DatasetConfig(Block):
    """The examples: inputs with known good answers."""

    path: FilePath | None = Field(default=None, description="Data file, `builtin:NAME`, or `hf:NAME[:CONFIG][:SPLIT]`.")
    files: FilesConfig | None = Field(default=None, description="Instead of `path`: one file per split.")
    format: Literal["jsonl", "json", "csv", "tsv", "yaml"] | None = Field(
        default=None, description="Format of the files; null: by the ending of the name."
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1), Expect('one character, such as ; or "\\t"')] | None = (
        Field(default=None, description="What divides the cells of csv and tsv; null: what the file shows.")
    )
    encoding: Text | None = Field(
        default=None,
        description="Character encoding of the files, such as cp1252; null: UTF-8, or as a file's mark says.",
    )
    skip_rows: Whole = Field(default=0, ge=0, le=1000, description="Lines of csv and tsv before the header.")
    input: Text | None = Field(
        default=None, description="Column of the input; null: the columns the user template names."
    )
    reference: Text | None = Field(default=None, description="Column of the known good answer, if there is one.")
    columns: dict[Annotated[str, Field(pattern=IDENTIFIER), Expect("a placeholder's name")], Text] = Field(
        default_factory=dict, description="Placeholder to column, where the two names differ."
    )
    splits: SplitsConfig = Field(default=SplitsConfig(), description="How the rows of `path` are divided.")
    stratify: Switch = Field(
        default=False,
        description="Each label has the same share in all splits. A new row can then move one other of its label from "
        "each split to the next; without, it moves none.",
    )
    split_seed: Whole = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Seed of the division: apart from `seed`, so that runs with other seeds have the same test rows.",
    )
    folds: Count | None = Field(
        default=None,
        ge=2,
        le=20,
        description="For less than about 100 rows: instead of setting test rows apart, judge each fold but the first "
        "by a search on the folds before it, then search on all rows; as many searches share the calls.",
    )
    limit: Count | None = Field(
        default=None, description="Use at most this many rows, drawn by `split_seed`; null: all."
    )

    def issues(self) -> Iterator[Issue]:
        """There must be one source of rows."""
        if self.path is not None and self.files is not None:
            yield Issue(("files",), "can't stand beside `path`", "keep one of the two")
        if self.path is None and self.files is None:
            yield Issue(("path",), "is missing, and so is `files`", "give one of the two")
        if self.files is not None and "splits" in self.model_fields_set:
            yield Issue(("splits",), "can't stand beside `files`: each file is a split")
        if self.files is not None and self.folds is not None:
            yield Issue(("folds",), "can't stand beside `files`: folds are made of the rows of `path`")
        yield from self._form_issues()
        for key, path in self.paths():
            if path.startswith(("http://", "https://")):
                yield Issue(key, "is an address, expected a path", "download the file first")

    def _form_issues(self) -> Iterator[Issue]:
        """Of what says how the files are written."""
        if self.encoding is not None and not is_encoding(self.encoding):
            yield Issue(
                ("encoding",), f"got {show(self.encoding)}, expected an encoding such as utf-8, utf-16 or cp1252"
            )
        if self.delimiter is not None and self.delimiter in '"\r\n':
            yield Issue(("delimiter",), f"got {show(self.delimiter)}, expected a sign that divides cells")
        kinds = {self.format or format_by_name(Path(path)) for _, path in self.paths()} - {None}
        for key in ("delimiter", "skip_rows"):
            if getattr(self, key) and kinds and kinds.isdisjoint(TABLES):
                found = " and ".join(sorted(filter(None, kinds)))
                yield Issue((key,), f"means nothing in {found}, only in csv and tsv", "remove the key")
        if self.path is not None and self.path.startswith(("builtin:", "hf:")):
            for key in ("format", "delimiter", "encoding", "skip_rows"):
                if getattr(self, key):
                    yield Issue((key,), "means nothing here: `path` names no file", "remove the key")
