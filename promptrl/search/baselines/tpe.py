"""The tree-structured Parzen estimator of Optuna over the slots (Bergstra et al. 2011; Watanabe 2023)."""

import warnings
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.baselines.field import Field
from promptrl.search.baselines.variables import Variables
from promptrl.search.result import Candidate
from promptrl.search.trials import Asker

if TYPE_CHECKING:
    import optuna

BATCH = 4
STARTUP_TRIALS = 12
REFINE_SHARE = 0.2
MAX_IDLE = 20


def search(asker: Asker, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Let TPE propose prompts; the value of a trial is the prompt's shrunken mean, corrected for its rows.

    A prompt that is proposed again is asked on new rows, and the new trial has the mean of all its answers.

    Args:
        asker: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows for each trial.

    Returns:
        Candidates, best first.
    """
    import optuna

    field, variables = Field(asker, rng), Variables(asker.space)
    reserve = int(REFINE_SHARE * asker.calls_left)
    field.ask_each([asker.space.baseline], rows_per_prompt)
    study = _study(int(rng.integers(2**31)))
    idle = 0
    while not asker.is_over and asker.calls_left > reserve and idle < MAX_IDLE:
        trials = [study.ask() for _ in range(BATCH)]
        prompts = [_proposal(trial, variables) for trial in trials]
        idle = 0 if field.ask_each(list(dict.fromkeys(prompts)), rows_per_prompt) else idle + 1
        for trial, prompt in zip(trials, prompts, strict=True):
            value = field.mean(prompt)
            if isnan(value):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
    field.refine(rows_per_prompt)
    return field.standings()


def _study(seed: int) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=STARTUP_TRIALS
        )
    return optuna.create_study(direction="maximize", sampler=sampler)


def _proposal(trial: "optuna.Trial", variables: Variables) -> Prompt:
    values = {v.name: trial.suggest_categorical(v.name, range(len(v.actions))) for v in variables.all}
    return variables.prompt(values)
