"""A factorial landscape with a known best prompt, and an evaluator that answers from it without a model."""

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.table_evaluator import TableEvaluator
from promptrl.evaluation.interface import Evaluate
from promptrl.prompts.building import make_slot_space
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.algorithms import ALGORITHMS
from promptrl.search.context import SearchContext
from promptrl.search.events import SearchEvent
from promptrl.search.growth import Grow
from promptrl.settings import settings_of
from promptrl.tasks.dataset import Example

Value = Callable[[Prompt, Example], float | None]


def make_space(options: Sequence[int] = (4, 4, 3, 3)) -> EditSpace:
    """Slots ``s0``, ``s1``, ... with that many options ``o<slot>_<option>``; the first option is to leave it out.

    Edits are numbered slot by slot, the empty option too: 0 to 3 set ``s0``, 4 to 7 ``s1`` and so on.
    """
    slots = {f"s{i}": ["", *(f"o{i}_{k}" for k in range(1, n))] for i, n in enumerate(options)}
    return make_slot_space(slots, "{question}")


def baseline_settings(name: str, rows_per_prompt: int = 1) -> Any:
    """What a baseline is given: its defaults, but for the rows of a prompt where it has such a setting."""
    settings = ALGORITHMS[name].settings
    return settings(rows_per_prompt=rows_per_prompt) if "rows_per_prompt" in settings_of(settings) else settings()


def make_context(
    evaluator: Evaluate,
    *,
    space: EditSpace | None = None,
    rows: int = 30,
    seed: int = 0,
    observe: Callable[[SearchEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    grow: Grow | None = None,
) -> SearchContext:
    """What a search works with, on the default space unless another is given."""
    observers = (observe,) if observe else ()
    return SearchContext(space or make_space(), make_rows(rows), evaluator, seed, observers, should_stop, grow)


def make_rows(count: int, prefix: str = "r") -> list[Example]:
    """Rows that differ in their id only."""
    return [Example(id=f"{prefix}{i}", fields={"question": str(i)}, reference="", raw={}) for i in range(count)]


def chosen(prompt: Prompt) -> dict[int, int]:
    """Option number by slot number; slots left out are absent."""
    return {int(name[1:]): int(text.split("_")[1]) for name, text in prompt.slots}


def factorial_value(prompt: Prompt, row: Example) -> float:
    """Share of slots that hold their last option of the default space, minus the row's difficulty."""
    right = sum(chosen(prompt).get(i) == last for i, last in enumerate((3, 3, 2, 2)))
    return (right + 1) / 5 - 0.1 * (int(row.id[1:]) % 2)


def table_evaluator(
    value: Value = factorial_value, *, search: int = 10_000, validation: int = 10_000
) -> TableEvaluator:
    """An evaluator that answers from a function, with so many calls for each purpose; None is a missing answer."""
    return TableEvaluator(lambda asks: [value(*ask) for ask in asks], search + validation, validation)
