"""The score tables that are kept here, beside the edit spaces of their configs: what benchmarks of analysis run on."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tables import Table, load
from promptrl.config import load_config
from promptrl.experiment.build import Components, build_components
from promptrl.prompts.space import EditSpace

TABLES = Path(__file__).parent / "tables"
OVERRIDES = {"extraction": ["dataset.split_seed=94618"]}
"""The division that sets those demonstrations aside which the table was made with; a table made anew needs none."""
CONFIGS = Path(__file__).parents[1] / "configs"


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundled task of which every score is known.

    Attributes:
        name: Of the config.
        space: Its edits.
        table: Its prompts, the baseline first.
        scores: Of the gate's metric, or of the objective where only that was kept; shape (prompts, rows).
    """

    name: str
    space: EditSpace
    table: Table
    scores: npt.NDArray[np.float64]


def components_of(config: Path) -> Components:
    """The components of a config as its table knows them."""
    return build_components(load_config(config, OVERRIDES.get(config.stem, [])))


def read_table(path: Path, parts: Components) -> Table:
    """A table of every prompt of a space.

    Raises:
        SystemExit: It holds another space.
    """
    table = load(path, parts)
    if len(table.prompts) != parts.space.size():
        raise SystemExit(f"{path}: the config has changed since this table was made; make it anew with tables.py")
    return table


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--table CONFIG TABLE``, as often as one likes."""
    described = "a config and what tables.py kept of it; default: those in benchmarks/tables"
    parser.add_argument("--table", nargs=2, action="append", type=Path, metavar=("CONFIG", "TABLE"), help=described)


def read(pairs: list[list[Path]] | None) -> Iterator[Kept]:
    """The tables asked for."""
    for config, path in pairs or [[CONFIGS / f"{path.stem}.yaml", path] for path in sorted(TABLES.glob("*.npz"))]:
        parts = components_of(config)
        table = read_table(path, parts)
        scores = table.scores.get(parts.objective.gate_metric, table.scores["objective"])
        yield Kept(config.stem, parts.space, table, scores)
