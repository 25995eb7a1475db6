"""Every world of the search benchmark by its name: landscapes, tables, logs, templates, pools of edits."""

from functools import lru_cache
from pathlib import Path

from benchmarks.interaction import INTERACTION, make_interaction_world
from benchmarks.landscapes import SHAPES, make_landscape
from benchmarks.proposals import POOL, make_pool_world
from benchmarks.recorded import make_log_world, make_table_world, table_names
from benchmarks.templates import TEMPLATES, make_template_world
from benchmarks.worlds import World

LOG = "log:"


@lru_cache(maxsize=2)
def make_world(kind: str, seed: int) -> World:
    """A landscape, a table or a log by its name.

    Raises:
        SystemExit: There is none of that name.
    """
    if kind in SHAPES:
        return make_landscape(kind, seed)
    if kind == INTERACTION:
        return make_interaction_world(seed)
    if kind in table_names():
        return make_table_world(kind, seed)
    if kind.startswith(LOG):
        return make_log_world(Path(kind.removeprefix(LOG)), seed)
    if kind.startswith(POOL):
        return make_pool_world(Path(kind.removeprefix(POOL)), seed)
    for part, prefix in TEMPLATES.items():
        if kind.startswith(prefix):
            return make_template_world(Path(kind.removeprefix(prefix)), part, seed)
    known = ", ".join([*SHAPES, INTERACTION, *table_names()])
    raise SystemExit(f"there is no world {kind!r}; there are {known}, --logs, --templates and --pools FOLDER")
