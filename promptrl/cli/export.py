"""The ``export`` command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, RunReference, RunsDir

Format = Literal["txt", "text", "json", "openai", "promptfoo", "config"]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(export)


def export(
    run: RunReference = "latest",
    to: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="txt: all messages under headings, for people; text: the system message alone (or the user message, "
            "if `prompt.text` is one); json: chat messages; openai: a chat completion request; promptfoo: a "
            "promptfooconfig.yaml; config: your config, with this prompt as the next baseline. Without it: text for "
            "a file, txt for the terminal.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here, not to stdout.")] = None,
    winner: Annotated[
        bool,
        typer.Option(
            "--winner", help="The search's winner whatever the verdict; without it only where it is proven better."
        ),
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Print a finished run's best prompt in the form that another program reads: yours, unless one is proven better."""
    from promptrl import console
    from promptrl.errors import UsageError
    from promptrl.report.wording import is_unproven
    from promptrl.runs.export import MODEL_NOTE, MODEL_PLACEHOLDER, export_prompt, model_name
    from promptrl.runs.runs_folder import RunsFolder

    found = RunsFolder(runs_dir).find(run)
    to = to or ("txt" if output is None else "text")
    notes: tuple[str, ...] = ()
    if to == "config":
        from promptrl.experiment.next_config import next_config

        following = next_config(found, challenger=winner, folder=None if output is None else output.absolute().parent)
        text, notes = following.text, following.notes
    elif to == "promptfoo":
        from promptrl.experiment.checked_rows import checked_rows

        text = export_prompt(found, to, checked_rows(found), challenger=winner)
    else:
        text = export_prompt(found, to, challenger=winner)
    result = found.result
    if not winner and result and is_unproven(result):
        verdict = f"The verdict is “{result['verdict']}”"
        console.show_message(f"{verdict}: this is your own prompt; --winner gives what the search found.")
    for note in notes:
        console.show_message(note)
    if to in ("openai", "promptfoo") and model_name(found) == MODEL_PLACEHOLDER:
        console.show_message(MODEL_NOTE)
    if output is None:
        console.print_text(text)
    else:
        try:
            output.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            raise UsageError(f"--output: can't write {output}: {error.strerror}") from error
        console.show_message(f"Wrote {output}")
        if to == "txt":
            console.show_message("It has headings such as [system], for people: --format text writes the prompt alone.")
