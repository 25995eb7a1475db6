"""A factorial landscape with a known best prompt, and an evaluator that answers from it without a model."""

from collections.abc import Callable, Sequence

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace, make_slot_space
from promptrl.tasks.dataset import Example

Value = Callable[[Prompt, Example], float | None]


def make_space(options: Sequence[int] = (4, 4, 3, 3)) -> EditSpace:
    """Slots ``s0``, ``s1``, ... with that many options ``o<slot>_<option>``; the first option is to leave it out.

    Edits are numbered slot by slot, the empty option too: 0 to 3 set ``s0``, 4 to 7 ``s1`` and so on.
    """
    slots = {f"s{i}": ["", *(f"o{i}_{k}" for k in range(1, n))] for i, n in enumerate(options)}
    return make_slot_space(slots, "{question}")


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


class TableEvaluator:
    """Answers from a function; counts calls as the real evaluator does; None is a missing answer."""

    def __init__(self, value: Value = factorial_value, *, search: int = 10_000, validation: int = 10_000) -> None:
        self._value = value
        self._left = {"search": search, "validation": validation}
        self._known: dict[tuple[str, str], Outcome | None] = {}
        self.batches: list[int] = []

    def calls_left(self, purpose: str) -> int:
        """Calls left in a share."""
        return self._left[purpose]

    def would_cost(self, asks: Sequence[tuple[Prompt, Example]]) -> int:
        """Pairs not asked yet."""
        return len({(prompt.prompt_id, row.id) for prompt, row in asks} - self._known.keys())

    def evaluate(
        self,
        asks: Sequence[tuple[Prompt, Example]],
        purpose: str = "search",
        repeat: int = 0,
        uniform: Sequence[bool] = (),
    ) -> list[Outcome | None]:
        """One outcome per pair."""
        cost = self.would_cost(asks)
        if cost > self._left[purpose]:
            raise BudgetExhaustedError("no call left")
        self._left[purpose] -= cost
        self.batches.append(len(asks))
        for prompt, row in asks:
            self._known.setdefault((prompt.prompt_id, row.id), self._outcome(prompt, row, purpose))
        return [self._known[prompt.prompt_id, row.id] for prompt, row in asks]

    def _outcome(self, prompt: Prompt, row: Example, purpose: str) -> Outcome | None:
        value = self._value(prompt, row)
        if value is None:
            return None
        return Outcome(
            prompt_id=prompt.prompt_id,
            row_id=row.id,
            repeat=0,
            purpose=purpose,
            completion=Completion(text=""),
            scores={},
            objective=value,
            score=value,
        )
