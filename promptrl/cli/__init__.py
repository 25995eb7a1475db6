"""The command line: one thin file per command group; options in, one call, exit code out.

Nothing heavy is imported here: each command imports what it needs when it runs, so that ``promptrl --help`` is quick.
"""

import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from promptrl.cli import bench, cache, configs, doctor, evaluate, export, report, runs, train
from promptrl.errors import OutputLostError, PromptrlError
from promptrl.version import __version__


class _Commands(TyperGroup):
    """Turns promptrl's own errors into a message on stderr and the exit code of DESIGN.md, section 6."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report what it raises."""
        from promptrl import console

        try:
            return super().invoke(ctx)
        except OutputLostError:  # also what typer prints may find no reader
            raise
        except PromptrlError as error:
            console.show_error(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            console.show_message("interrupted")
            console.show_notes(error)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Commands,
    name="promptrl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Make a prompt measurably better by reinforcement learning, overnight, for a known price, with proof.",
    epilog="Exit codes: 0 done, 1 a bug, 2 usage or config error, 3 gate failed, 4 target or data unavailable, "
    "5 budget ended too early, 6 run not found, locked, damaged or not resumable, 130/143 interrupted.",
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"promptrl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options before the command."""


configs.register(app)
train.register(app)
evaluate.register(app)
bench.register(app)
export.register(app)
report.register(app)
doctor.register(app)
app.add_typer(runs.app, name="runs")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Entry point of the ``promptrl`` script."""
    from promptrl.outputs import guard_outputs

    warnings.showwarning = _show_warning
    guard_outputs()
    try:
        app()
    except OutputLostError as error:
        _show_loss(error)
        sys.exit(error.exit_code)


def _show_loss(error: OutputLostError) -> None:
    """Say why data was lost, unless it is that nobody wants more of it."""
    from promptrl import console

    if not error.is_closed:
        console.show_error(error)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say a warning of ours as a message, without the line of code that Python shows; all others as Python does."""
    from promptrl import console

    if Path(filename).is_relative_to(Path(__file__).parents[1]):
        console.show_message(f"warning {message}")
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))
