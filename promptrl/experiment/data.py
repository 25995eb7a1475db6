"""Reads the rows that a config names, says what is wrong or odd about them, and divides them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptrl.config import LoadedConfig
from promptrl.config.prompts import as_template
from promptrl.errors import ConfigError, Problem
from promptrl.prompts.notation import notation_problems
from promptrl.prompts.prompt import UserTemplate
from promptrl.tasks.data_checks import data_warnings
from promptrl.tasks.data_file import DataFile, FileForm, load_rows
from promptrl.tasks.dataset import Columns, Example, build_examples
from promptrl.tasks.metrics.base import in_quotes
from promptrl.tasks.splits import Splits, fold_examples, split_examples


@dataclass(frozen=True, slots=True)
class Data:
    """The rows of a config.

    Attributes:
        examples: Those that can be used, by split name; under "all" when one file holds them all.
        problems: What is wrong, and warnings of what looks odd.
        origins: The file and the position in it of each example, by its id.
        unusable: Rows that make no example.
    """

    examples: Mapping[str, Sequence[Example]]
    problems: tuple[Problem, ...]
    origins: Mapping[str, tuple[DataFile, int]] = field(default_factory=dict, repr=False)
    unusable: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether a run can go on."""
        return all(problem.is_warning for problem in self.problems)

    @property
    def is_divisible(self) -> bool:
        """Whether dividing tells something: no split is without rows, and most rows can be used."""
        return bool(self.examples) and all(self.examples.values()) and self.unusable <= len(self.rows)

    @property
    def rows(self) -> tuple[Example, ...]:
        """All examples that can be used."""
        return tuple(example for rows in self.examples.values() for example in rows)

    def place(self, rows: Sequence[Example]) -> str:
        """Where examples stand, for a message: ``lines 3, 4, 7``, with the files where there are several."""
        files: dict[str, tuple[DataFile, list[int]]] = {}
        for file, at in (self.origins[row.id] for row in rows):
            files.setdefault(file.name, (file, []))[1].append(at)
        places = {name: file.place(sorted(positions)) for name, (file, positions) in files.items()}
        return "; ".join(f"{name} {place}" if len(self.examples) > 1 else place for name, place in places.items())

    def name_row(self, row: Example) -> str:
        """An example for a message: ``line 3 of rows.csv ('What is 1 + 1?')``."""
        file, at = self.origins[row.id]
        text = row.input if row.input is not None else next(iter(row.fields.values()), "")
        return f"{file.place([at])} of {file.name} ({in_quotes(text)})"


def user_message(loaded: LoadedConfig) -> UserTemplate:
    """The template of the user message, which may be the whole prompt."""
    turns = loaded.config.user_turns
    return UserTemplate(loaded.config.prompt.text_template or "") if turns is None else as_template(turns)


def load_data(loaded: LoadedConfig) -> Data:
    """Read all files, and everything that is wrong with them or that a prompt makes of their columns.

    Raises:
        TargetError: A Hugging Face data set is out of reach.
    """
    data = loaded.config.dataset
    columns = Columns(data.input, data.reference, data.columns, user_message(loaded).placeholders)
    form = FileForm(data.format, data.delimiter, data.encoding, data.skip_rows)
    sources = {"all": (data.path, "dataset.path")}
    if data.files is not None:
        sources = {split: (path, f"dataset.files.{split}") for split, path in data.files.model_dump().items()}
    examples: dict[str, list[Example]] = {}
    problems: list[Problem] = []
    origins: dict[str, tuple[DataFile, int]] = {}
    unusable = 0
    names = {*data.columns}
    for split, (path, key) in sources.items():
        try:
            file = load_rows(loaded.resolve(path or ""), form, wanted=columns.wanted, key=key)
        except ConfigError as error:
            problems += error.problems
            examples[split] = []
            continue
        built = build_examples(file, columns)
        problems += (*built.problems, *data_warnings(file, built.by_position))
        names.update(name for row in file.rows for name in row)
        unusable += len(file.rows) - len(built.by_position)
        examples[split] = list(built.by_position.values())
        origins.update((example.id, (file, at)) for at, example in built.by_position.items())
    problems += unfilled_columns(loaded, names)
    return Data(examples, tuple(dict.fromkeys(problems)), origins, unusable)


def unfilled_columns(loaded: LoadedConfig, columns: set[str]) -> Iterator[Problem]:
    """What the prompt has that other tools would fill in.

    Args:
        loaded: The config.
        columns: Names that the data know.
    """
    prompt = loaded.config.prompt
    turns = loaded.config.user_turns
    texts = [
        (f"prompt.slots.{name}.{at}", option)
        for name, options in (prompt.slots or {}).items()
        for at, option in enumerate(options)
    ]
    texts += [("prompt.text", prompt.text)] if prompt.text and turns is not None else []
    for key, text in texts:
        yield from notation_problems(key, text, is_template=False, columns=columns, literal=prompt.literal)
    templates = [("prompt.text", prompt.text_template or "")] if turns is None else []
    key = "prompt.user" if turns is not None and len(turns) == 1 else "prompt.user.{}.content"
    templates += [(key.format(at), turn.content) for at, turn in enumerate(turns or ())]
    for key, text in templates:
        yield from notation_problems(key, text, is_template=True, columns=columns, literal=prompt.literal)


def divide(loaded: LoadedConfig, examples: Mapping[str, Sequence[Example]]) -> tuple[Splits, ...]:
    """The one division; with folds, that of each fold which judges, and last that of the search on all rows.

    Raises:
        ConfigError: The rows are too few, or a question stands in two files.
    """
    config = loaded.config
    demonstrations = config.prompt.demonstrations
    data = config.dataset
    if data.folds is not None:
        return fold_examples(
            examples["all"],
            folds=data.folds,
            fractions=data.splits.model_dump(),
            seed=data.split_seed,
            demonstration_candidates=demonstrations.set_aside,
            stratify=data.stratify,
            limit=data.limit,
        )
    splits = split_examples(
        examples.get("all", examples),
        fractions=data.splits.model_dump(),
        seed=data.split_seed,
        demonstration_candidates=demonstrations.set_aside,
        stratify=data.stratify,
        limit=data.limit,
    )
    return (splits,)
