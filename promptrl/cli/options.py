"""Options that several commands share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from promptrl.experiment.build import Components
    from promptrl.experiment.engines import Engines

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY=VALUE", help="Override a config key, e.g. -s budget.max_calls=500 (repeatable)."
    ),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="PROMPTRL_RUNS_DIR", help="Where the run folders are.", show_default="./runs"),
]
DEFAULT_RUNS_DIR = Path("runs")
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON on stdout.")]
RunReference = Annotated[
    str, typer.Argument(metavar="RUN", help="A run: id, unique prefix, path, `latest` or `latest:NAME`.")
]
FailOn = Annotated[
    list[str] | None,
    typer.Option("--fail-on", help="Exit with 3 when the verdict is `worse` or `not-improved`."),
]
EventsAsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object per line on stdout while training, the result last.")
]
DebugLog = Annotated[
    Path | None,
    typer.Option(
        "--debug-log",
        metavar="FILE",
        help="Append one JSON object per attempt to ask the target; no texts, no secrets.",
    ),
]


@contextmanager
def working(debug_log: Path | None = None) -> "Iterator[Engines]":
    """What a command needs that asks models: engines, signals that end it, a log, and code of the user's kept apart.

    Args:
        debug_log: Where attempts are logged; None = nowhere.
    """
    from promptrl import console
    from promptrl.cli.signals import signals_as_errors
    from promptrl.experiment.engines import Engines
    from promptrl.llm.engine.trace import TraceFile
    from promptrl.outputs import prints_for_people

    log = nullcontext() if debug_log is None else TraceFile(debug_log)
    with (
        prints_for_people(),
        log as trace,
        signals_as_errors() as stop,
        stop.heard_by(console.show_stopping),
        Engines(stop, trace) as engines,
    ):
        yield engines


def for_each_config(
    configs: Sequence[Path],
    overrides: Sequence[str] | None,
    act: "Callable[[Path, Components], None]",
) -> None:
    """Read each config and its data, and do something with it.

    Raises:
        ConfigError: With the problems of all configs, after the sound ones had their turn.
    """
    from promptrl.config import load_config
    from promptrl.errors import GatheredProblems
    from promptrl.experiment.build import build_components

    problems = GatheredProblems()
    for path in configs:
        with problems.caught():
            act(path, build_components(load_config(path, list(overrides or []))))
    problems.check()
