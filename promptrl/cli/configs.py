"""Commands about configs: ``init``, ``validate``, ``schema``."""

from pathlib import Path
from typing import Annotated

import typer

from promptrl.cli.options import AsJson, Overrides, for_each_config


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(init)
    app.command()(validate)
    app.command()(schema)


def init(
    file: Annotated[Path, typer.Argument(help="The config to write.")] = Path("promptrl.yaml"),
    example: Annotated[
        str, typer.Option("--example", "-e", help="Which example to start from; `list` names them.")
    ] = "quickstart",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write an example config to start from."""
    from promptrl import console
    from promptrl.config import examples

    if example == "list":
        console.print_data({name: examples.summary(name) for name in examples.names()}, as_json=False)
        return
    examples.write(example, file, overwrite=force)
    console.show_message(f"Wrote {file}. Next: promptrl validate {file}, then promptrl train {file}")


def validate(
    configs: Annotated[list[Path], typer.Argument(help="One or more YAML configs.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check configs and their data without calling a model: every error at once, and what is worth a look."""
    from promptrl import console
    from promptrl.experiment.preview import preview

    for_each_config(
        configs,
        overrides,
        lambda path, components: console.show_plan(path, components, preview(components), as_json=as_json),
    )


def schema(as_json: AsJson = False) -> None:
    """Document every config key: type, default, meaning. With --json: a JSON Schema for editors."""
    from promptrl import console
    from promptrl.config import json_schema, schema_rows

    if as_json:
        console.print_data(json_schema(), as_json=True)
    else:
        console.show_schema(schema_rows())
