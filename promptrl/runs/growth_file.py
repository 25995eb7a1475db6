"""What the spaces of a run gained while they were searched: written down before use, replayed at resume."""

from pathlib import Path
from typing import Any

from promptrl.errors import ConfigError, RunLockedError, UsageError
from promptrl.prompts.space import EditSpace
from promptrl.runs.formats import GROWTH
from promptrl.runs.outcome_file import cut_torn_line
from promptrl.runs.reading import read_lines
from promptrl.runs.writing import put_on_disk, write_line, writing
from promptrl.search.growth import Grow, Growth, GrowthRequest, ask_for_growth


class GrowthFile:
    """Keeps ``growth.jsonl``: which search of its run grew, when, the options in full, line by line.

    Attributes:
        searches: How many searches have begun.
        options: What all searches so far have gained, each text once, by slot.

    Args:
        folder: Of the run; a line that an earlier process left torn is cut off first.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "growth.jsonl"
        cut_torn_line(self._path)
        self._kept = list(read_lines(self._path, GROWTH))
        self.searches = 0
        self.options: dict[str, tuple[str, ...]] = {}

    def next_search(self, space: EditSpace, grow: Grow | None) -> Grow | None:
        """How the space of the run's next search grows: as before an interruption, then as it is told.

        Args:
            space: At the start of the search. What it can't take is refused before it is written down.
            grow: Says what the space gains; None = nothing more than before.
        """
        search, self.searches = self.searches, self.searches + 1
        kept = [line for line in self._kept if line["search"] == search]
        if grow is None and not kept:
            return None

        def replayed(request: GrowthRequest) -> Growth | None:
            nonlocal space
            is_replay = bool(kept)
            growth = self._replay(kept, request) if kept else ask_for_growth(grow, request) if grow else None
            if growth is None or growth.is_empty:
                return None
            space = _grown(space, growth)
            if not is_replay:
                self._append(search, request, growth)
            for slot, texts in growth.options.items():
                self.options[slot] = tuple(dict.fromkeys([*self.options.get(slot, ()), *texts]))
            return growth

        return replayed

    def _replay(self, kept: list[dict[str, Any]], request: GrowthRequest) -> Growth | None:
        """The next growth kept, when its time has come."""
        due = (kept[0]["calls_used"], kept[0]["is_exhausted"])
        now = (request.calls_used, request.is_exhausted)
        if now < due:
            return None
        if now > due:
            raise RunLockedError(f"{self._path}: the search passed call {due[0]} without the growth that came there")
        line = kept.pop(0)
        options, retired = (
            {slot: tuple(texts) for slot, texts in line.get(key, {}).items()} for key in ("options", "retired")
        )
        return Growth(options, retired, line.get("asks_each", 0))

    def _append(self, search: int, request: GrowthRequest, growth: Growth) -> None:
        """Write a growth down for good."""
        when = {"calls_used": request.calls_used, "is_exhausted": request.is_exhausted}
        line: dict[str, Any] = {"search": search, **when, "options": dict(growth.options)}
        if growth.retired:
            line["retired"] = dict(growth.retired)
        if growth.asks_each:
            line["asks_each"] = growth.asks_each
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            write_line(file, line)
            put_on_disk(file)


def _grown(space: EditSpace, growth: Growth) -> EditSpace:
    """The space with what it gains.

    Raises:
        UsageError: It can't take that; the message says whose fault it is.
    """
    try:
        return space.extended(options=growth.options, retired=growth.retired).space
    except ConfigError as error:
        faults = "; ".join(f"{problem.key.removeprefix('prompt.')}: {problem.message}" for problem in error.problems)
        raise UsageError(f"the space of edits can't grow by what `grow` returned: {faults}") from error
