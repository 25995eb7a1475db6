"""Reads a config file: YAML, overrides, the files it names, validation; every problem at once, with file and line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from promptrl.config.algorithms import drop_unread, take_out_empty_name
from promptrl.config.blocks import Issue
from promptrl.config.datasets import DatasetConfig
from promptrl.config.experiment import ExperimentConfig, GateConfig, RewardConfig, cross_issues
from promptrl.config.file_names import absolute
from promptrl.config.messages import translate
from promptrl.config.named_files import read_named_files, read_text
from promptrl.config.overrides import OVERRIDE_FILE, apply_override
from promptrl.config.plain_data import plain
from promptrl.config.prompts import PromptConfig
from promptrl.config.source import KeyPath, Source, SourceError, dump, parse
from promptrl.config.targets import MODEL_KEYS, MODELS_IN
from promptrl.errors import SECRET, ConfigError, Problem, hide_secrets, show
from promptrl.llm.targets.definition import TargetDefinition

TARGET = "target"
"""The key of the block of the model that runs the prompt."""
DATA_NAME = Path("<config>")
"""Stands for the file of a config that came as data."""

Fill = Callable[[dict[str, Any]], tuple[Mapping[str, Any], Sequence[Issue]]]
"""Blocks that take the place of those in a config's data, before any override; and what is wrong with the data."""


def _nothing(data: dict[str, Any]) -> tuple[Mapping[str, Any], Sequence[Issue]]:
    return {}, ()


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid config and where it came from.

    Attributes:
        config: The values; files named by ``prompt.text``, ``edits.tokens`` and metrics are read in, other paths
            stand as written (``resolve`` makes them absolute).
        path: The file, as it was given.
        text: The file's content, without overrides.
        source: The plain data with overrides, and where each key stands.
    """

    config: ExperimentConfig
    path: Path
    text: str
    source: Source

    @property
    def folder(self) -> Path:
        """The folder that paths in the config are relative to; absolute."""
        return self.path.absolute().parent

    def resolve(self, path: str) -> str:
        """Make a path of the config absolute; ``builtin:NAME`` and ``hf:NAME`` stay as they are."""
        return path if path.startswith(("builtin:", "hf:")) else str(absolute(self.folder, path))

    @property
    def target(self) -> TargetDefinition:
        """The target with its settings; paths are absolute."""
        return self.models[TARGET]

    @property
    def models(self) -> dict[str, TargetDefinition]:
        """Every model that the config has a block for, by the dotted key of that; paths are absolute."""
        return {key: self._resolved(block.definition) for key, block in self.config.target_blocks()}

    def _resolved(self, target: TargetDefinition) -> TargetDefinition:
        paths: dict[str, Any] = {name: self.resolve(getattr(target, name)) for name in target.paths}
        return replace(target, **paths)

    def problem(self, key: str, message: str, hint: str = "") -> Problem:
        """A problem with a key of this config, at the line of the key or of the nearest key above it that is there.

        Args:
            key: Dotted, list positions as numbers.
            message: The value found and what was expected.
            hint: The way out, if there is an obvious one.
        """
        return _problem(Issue(tuple(key.split(".")) if key else (), message, hint), self.source, self.path)

    def resolved_yaml(self) -> str:
        """The whole config with all defaults and overrides and absolute paths: it can be loaded from anywhere."""
        config = self.config
        data = config.model_dump(mode="json", by_alias=True)
        if config.dataset.files:
            del data["dataset"]["splits"]
        for (*above, key), path in config.paths():
            block: Any = data
            for name in above:
                block = block[int(name) if isinstance(block, list) else name]
            block[key] = self.resolve(path)
        return dump(data)


def load_config(
    path: Path, overrides: Sequence[str] = (), *, fill: Fill = _nothing, drops_unread: bool = False
) -> LoadedConfig:
    """Read and check a config; no data file is opened and no user code imported.

    Args:
        path: The YAML file.
        overrides: ``key.path=value`` each, applied in order.
        fill: Says which blocks are others than in the file.
        drops_unread: Whether keys of ``algorithm`` that mean nothing to the one named are dropped; else they are
            problems.

    Raises:
        ConfigError: Everything wrong, sorted by place; no message repeats a secret.
    """
    try:
        text = read_text(path)
    except SourceError as error:
        raise ConfigError([_problem(error.issue, Source(), path)]) from error
    return _load(text, path, overrides, fill, drops_unread=drops_unread)


def load_text(text: str, path: Path) -> LoadedConfig:
    """Check the text of a config as if it stood in a file at that path.

    Raises:
        ConfigError: Everything wrong, as for ``load_config``.
    """
    return _load(text, path, (), _nothing)


def load_data(data: Mapping[str, Any], overrides: Sequence[str] = (), *, fill: Fill = _nothing) -> LoadedConfig:
    """Check a config given as data; paths in it are relative to the working directory.

    Args:
        data: What the YAML file would hold.
        overrides: As for ``load_config``.
        fill: Likewise.

    Raises:
        ConfigError: Everything wrong; it names keys, not lines.
    """
    issues: list[Issue] = []
    try:
        text = dump(plain(data, issues))
    except SourceError as error:
        issues.append(error.issue)
    if issues:
        raise ConfigError([_problem(issue, Source(), DATA_NAME) for issue in issues])
    return _load(text, DATA_NAME, overrides, fill, has_lines=False)


def _load(
    text: str, path: Path, overrides: Sequence[str], fill: Fill, *, has_lines: bool = True, drops_unread: bool = False
) -> LoadedConfig:
    try:
        source, parsed = parse(text, str(path))
    except SourceError as error:
        raise ConfigError([_problem(error.issue, Source(), path, error.line)]) from error
    if not has_lines:
        source.marks.clear()
    problems = [_problem(issue, source, path, line if has_lines else None) for issue, line in parsed]
    if source.data is not None and not isinstance(source.data, dict):
        raise ConfigError([*problems, _problem(Issue((), f"holds {show(source.data)}, expected keys"), source, path)])
    if source.data is None and not overrides:
        hint = "start from an example: promptrl init"
        raise ConfigError([*problems, _problem(Issue((), "is empty, expected a config", hint), source, path)])
    filled, issues = fill(source.data or {})
    source.data = {**(source.data or {}), **filled}
    for override in overrides:
        for issue in apply_override(source, override):
            problems.append(_problem(issue, source, path, file=OVERRIDE_FILE))
    if drops_unread:
        drop_unread(source.data)
    issues = [
        *issues,
        *take_out_empty_name(source.data),
        *_take_out_secrets(source.data),
        *read_named_files(source.data, path.absolute().parent),
    ]
    config, found = _validate(source, {issue.path for issue in (*issues, *(issue for issue, _ in parsed))})
    problems += [_problem(issue, source, path) for issue in (*issues, *found)]
    if problems or config is None:
        unique = dict.fromkeys(problems)
        raise ConfigError(sorted(unique, key=lambda problem: (problem.file == OVERRIDE_FILE, problem.line or 0)))
    return LoadedConfig(config, path, text, source)


def _validate(source: Source, known: set[KeyPath]) -> tuple[ExperimentConfig | None, list[Issue]]:
    """Validate the data.

    Args:
        source: The data.
        known: Paths at which something is known to be wrong: nothing more is said there.
    """
    try:
        return ExperimentConfig.model_validate(source.data), []
    except ValidationError as error:
        issues = translate(error, source.marks)
    broken = {issue.path[0] for issue in issues if issue.path} | {path[0] for path in known if path}
    issues += [issue for issue in _cross_issues(source.data, broken) if issue not in issues]
    return None, [issue for issue in issues if issue.path not in known]


def _cross_issues(data: dict[str, Any], broken: set[str]) -> Iterator[Issue]:
    """Check those blocks against each other that are fine by themselves."""

    def block(model: type[Any], key: str) -> Any:
        return None if key in broken else model.model_validate(data.get(key, {}))

    yield from cross_issues(
        block(PromptConfig, "prompt"),
        block(DatasetConfig, "dataset"),
        block(RewardConfig, "reward"),
        block(GateConfig, "gate"),
    )


def _take_out_secrets(data: dict[str, Any]) -> list[Issue]:
    """Remove from the models' blocks whatever looks like an API key, so that no later message can repeat it."""
    issues: list[Issue] = []

    def clean(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {hide_secrets(key): clean(item, (*path, hide_secrets(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [clean(item, (*path, str(position))) for position, item in enumerate(value)]
        if isinstance(value, str) and SECRET.search(value):
            hint = "put it into an environment variable and name that in api_key_env or headers"
            issues.append(Issue(path, "holds what looks like an API key; secrets don't belong in a config", hint))
            return hide_secrets(value)
        return value

    for (*above, key), block in [*_model_blocks({top: data[top] for top in MODELS_IN if top in data})]:
        holder: Any = data
        for name in above:
            holder = holder[int(name) if isinstance(holder, list) else name]
        holder[key] = clean(block, (*above, key))
    return issues


def _model_blocks(data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """What stands in the data where a model is declared."""
    items = enumerate(data) if isinstance(data, list) else data.items() if isinstance(data, dict) else ()
    for key, value in items:
        if key in MODEL_KEYS:
            yield (*path, str(key)), value
        else:
            yield from _model_blocks(value, (*path, str(key)))


def _problem(issue: Issue, source: Source, path: Path, line: int | None = None, file: str | None = None) -> Problem:
    mark = source.nearest_mark(issue.path)
    place = file or (mark.file if mark and line is None else str(path))
    if line is None and file is None and mark:
        line = mark.line
    key = ".".join(issue.path)
    return Problem(hide_secrets(key), hide_secrets(issue.message), hide_secrets(issue.hint), place, line)
