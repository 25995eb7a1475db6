"""What every optimiser of others searches here: the same options, rows and calls as ours, and no other text.

A prompt is written as a *code*: one number a variable of the space (``promptrl.search.baselines.variables``), 0 for
what the baseline holds. Their language model, which would write new text, is replaced by random choices among the
options of the pool. So the benchmark compares how they search, not how well a model reads; on random landscapes there
is nothing to read. Each is given its own way to use the rows: all calls are in one budget, whether it spends them on
training or on validation, and what it asks beyond the budget is not answered but counted.
"""

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from benchmarks.table_evaluator import TableEvaluator
from benchmarks.worlds import World
from promptrl.prompts.prompt import Prompt
from promptrl.search.baselines.variables import Variables
from promptrl.tasks.dataset import Example

Code = tuple[int, ...]


class Pool:
    """The prompts of a world as codes, and their answers.

    Attributes:
        names: Of the variables.
        sizes: How many values each can take.
        rows: Train and validation rows, shuffled.
        evaluator: Counts the calls.

    Args:
        world: To search.
        max_calls: In all.
        rng: Shuffles the rows.
    """

    def __init__(self, world: World, max_calls: int, rng: np.random.Generator) -> None:
        self._variables = Variables(world.space)
        self.names = tuple(variable.name for variable in self._variables.all)
        self.sizes = tuple(len(variable.actions) for variable in self._variables.all)
        rows = (*world.train, *world.validation)
        self.rows: tuple[Example, ...] = tuple(rows[i] for i in rng.permutation(len(rows)))
        self.evaluator: TableEvaluator = world.evaluator(max_calls)
        self._prompts: dict[Code, Prompt] = {}

    @property
    def baseline(self) -> Code:
        """The code of the baseline."""
        return (0,) * len(self.sizes)

    @property
    def n_codes(self) -> int:
        """How many codes there are; some may say the same."""
        return prod(self.sizes)

    def prompt(self, code: Code) -> Prompt:
        """What a code stands for."""
        if code not in self._prompts:
            self._prompts[code] = self._variables.prompt(dict(zip(self.names, code, strict=True)))
        return self._prompts[code]

    def score(self, asks: Sequence[tuple[Code, Example]]) -> list[float]:
        """The objective of each pair.

        Raises:
            BudgetExhaustedError: The calls left can't pay for all; those that they can were asked.
        """
        return self.evaluator.score([(self.prompt(code), row) for code, row in asks])


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what others print and log away from our tables."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
