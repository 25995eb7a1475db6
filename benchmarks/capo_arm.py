"""promptolution's CAPO (Zehle et al. 2025) on the pool: its crossover, mutation and racing, without demonstrations.

The instruction of a prompt is its code. Where its meta model would cross two instructions, each number comes from
either parent with equal chance; where it would vary one, one number is drawn anew. The first population is the
baseline and random prompts. Length costs nothing, as in the other arms. CAPO's default race (up to 10 blocks of 30
rows) would not end within these budgets; its sizes here were the best of eight at 300 calls, on seeds from 1000 on.
"""

import random
import re
from typing import Any

from benchmarks.pool import Code, Pool
from promptrl.errors import BudgetExhaustedError

POPULATION = 14
CROSSOVERS = 4
BLOCK = 2
BLOCKS = 4


def search(
    pool: Pool,
    max_calls: int,
    seed: int,
    population: int = POPULATION,
    crossovers: int = CROSSOVERS,
    block: int = BLOCK,
    blocks: int = BLOCKS,
    alpha: float = 0.2,
) -> Code:
    """Run CAPO until a call is refused.

    Args:
        pool: To search.
        max_calls: In all; no run has more steps than calls.
        seed: Of everything random.
        population: Prompts that survive a race.
        crossovers: Children of a step; 4 is CAPO's default.
        block: Rows that a race adds at a time.
        blocks: Most blocks of a race.
        alpha: Level of the tests by which a race drops a prompt; 0.2 is CAPO's default.

    Returns:
        The first of the prompts that CAPO returns.
    """
    import pandas as pd
    from promptolution.llms.base_llm import BaseLLM
    from promptolution.optimizers.capo import CAPO
    from promptolution.predictors.base_predictor import BasePredictor
    from promptolution.tasks.reward_tasks import RewardTask

    rng = random.Random(seed)

    class PoolModel(BaseLLM):  # type: ignore[misc]  # the package has no types
        def _get_response(self, prompts: list[str], system_prompts: list[str]) -> list[str]:
            return [f"<prompt>{write(_answer(pool, prompt, rng))}</prompt>" for prompt in prompts]

    class PoolPredictor(BasePredictor):  # type: ignore[misc]  # likewise
        def predict(self, prompts: list[str], xs: list[str], system_prompts: Any = None) -> tuple[list[str], list[str]]:
            scores = pool.score([(read(prompt), pool.rows[int(x)]) for prompt, x in zip(prompts, xs, strict=True)])
            return [str(score) for score in scores], [""] * len(scores)

        def _extract_preds(self, preds: list[str]) -> list[str]:
            return preds

    class PoolCAPO(CAPO):  # type: ignore[misc]  # likewise
        failure: Exception | None = None

        def _step(self) -> Any:
            try:
                return super()._step()
            except BudgetExhaustedError:
                raise
            except Exception as error:  # it would be logged and forgotten
                self.failure = error
                raise

    model = PoolModel()
    rows = pd.DataFrame({"x": [str(i) for i in range(len(pool.rows))]})
    task = RewardTask(rows, float, n_subsamples=block, eval_strategy="sequential_block", seed=seed)
    first = {pool.baseline: None}
    while len(first) < min(population, pool.n_codes):
        first[tuple(rng.randrange(size) for size in pool.sizes)] = None
    random.seed(seed)
    optimiser = PoolCAPO(
        PoolPredictor(model),
        task,
        model,
        initial_prompts=[write(code) for code in first],
        crossover_template="cross [<mother>] [<father>]",
        mutation_template="mutate [<instruction>]",
        crossovers_per_iter=crossovers,
        upper_shots=0,
        max_n_blocks_eval=blocks,
        alpha=alpha,
        length_penalty=0.0,
        df_few_shots=rows.head(0),
    )
    best = optimiser.optimize(max_calls)[0]
    if optimiser.failure is not None:
        raise optimiser.failure
    return read(best.instruction)


def write(code: Code) -> str:
    """A code as text."""
    return "code " + " ".join(map(str, code)) + " end"


def read(text: str) -> Code:
    """The first code in a text."""
    return _codes(text)[0]


def _codes(text: str) -> list[Code]:
    return [tuple(map(int, found.split())) for found in re.findall(r"code ([\d ]+) end", text)]


def _answer(pool: Pool, prompt: str, rng: random.Random) -> Code:
    """What stands for the meta model's answer."""
    codes = _codes(prompt)
    if len(codes) == 2:
        return tuple(rng.choice(pair) for pair in zip(*codes, strict=True))
    code = list(codes[0])
    at = rng.choice([i for i, size in enumerate(pool.sizes) if size > 1])
    code[at] = rng.choice([value for value in range(pool.sizes[at]) if value != code[at]])
    return tuple(code)
