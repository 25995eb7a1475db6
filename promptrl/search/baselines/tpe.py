"""The tree-structured Parzen estimator of Optuna over the slots (Bergstra et al. 2011; Watanabe 2023)."""

import warnings
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.trials import Trials

if TYPE_CHECKING:
    import optuna

BATCH = 4
STARTUP_TRIALS = 12
REFINE_SHARE = 0.2
MAX_IDLE = 20


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Let TPE propose prompts; the value of a trial is the prompt's shrunken mean, corrected for its rows.

    A prompt that is proposed again is asked on new rows, and the new trial has the mean of all its answers.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows for each trial.
    """
    import optuna

    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population, variables = Population(trials, rng), Variables(trials.space)
    population.ask_each([trials.space.baseline], settings.rows_per_prompt)
    study = _study(int(rng.integers(2**31)))
    idle = 0
    while not trials.is_over and trials.has_left(REFINE_SHARE) and idle < MAX_IDLE:
        proposed = [study.ask() for _ in range(BATCH)]
        prompts = [_proposal(trial, variables) for trial in proposed]
        idle = 0 if population.ask_each(list(dict.fromkeys(prompts)), settings.rows_per_prompt) else idle + 1
        for trial, prompt in zip(proposed, prompts, strict=True):
            value = population.mean(prompt)
            if isnan(value):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())


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
