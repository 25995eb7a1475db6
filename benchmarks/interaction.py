"""The smallest world in which two options help together only: 2 x 2 prompts, right or wrong answers, all rows alike.

Found in a log of real answers: either option alone is worth next to nothing, both are worth six points. A search that
drops what does not help by itself never finds them.
"""

import numpy as np

from benchmarks.templates import DrawnAnswers
from benchmarks.worlds import World, make_rows
from promptrl.prompts.building import make_slot_space

INTERACTION = "2x2"
ACCURACIES = {"": 0.57, "First.": 0.576, "Second.": 0.57, "First. Second.": 0.635}
TRAIN_ROWS, VALIDATION_ROWS = 600, 400


def make_interaction_world(seed: int) -> World:
    """Other answers for each seed."""
    space = make_slot_space({"first": ["", "First."], "second": ["", "Second."]}, "{question}")
    prompts = list(space.enumerate())
    accuracies = np.array([ACCURACIES[prompt.system_text] for prompt in prompts])
    rows = make_rows([str(i) for i in range(TRAIN_ROWS + VALIDATION_ROWS)])
    return World(
        kind=INTERACTION,
        seed=seed,
        space=space,
        train=rows[:TRAIN_ROWS],
        validation=rows[TRAIN_ROWS:],
        answers=DrawnAnswers(prompts, accuracies, len(rows), seed),
        oracle_score=float(accuracies.max()),
    )
