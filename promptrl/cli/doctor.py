"""Commands before a run: ``plan`` (what it can cost) and ``doctor`` (what its target is like)."""

from pathlib import Path
from typing import Annotated

import typer

from promptrl.cli.options import AsJson, Overrides, for_each_config, working


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(plan)
    app.command()(doctor)


def plan(
    configs: Annotated[list[Path], typer.Argument(help="One or more YAML configs.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run can cost at most: calls, tokens, dollars. Asks nobody, no network."""
    from promptrl import console
    from promptrl.experiment.cost_bound import cost_bound

    for_each_config(
        configs,
        overrides,
        lambda path, components: console.show_cost_bound(path, cost_bound(components), as_json=as_json),
    )


def doctor(
    config: Annotated[Path, typer.Argument(help="A YAML config.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Ask the target one short question twice: latency, tokens, determinism, parameters, price; and test the judges."""
    from promptrl import console
    from promptrl.config import load_config
    from promptrl.experiment.build import build_components
    from promptrl.experiment.doctor import examine
    from promptrl.experiment.judge_stage import refuse_unfit

    components = build_components(load_config(config, overrides or []))
    with working() as engines:
        diagnosis = examine(components, engines.stop)
    console.show_diagnosis(diagnosis, as_json=as_json)
    refuse_unfit(components, diagnosis.judges)
