"""Optimisers of others as arms of the search benchmark: ``pip install -e '.[bench]'``.

``gepa``, ``mipro`` and ``capo`` run their own code on the pool (``pool.py`` says what stands for their language model);
Optuna's TPE is the baseline ``tpe`` of promptrl itself. Settings such as ``gepa:full_evaluations=20`` go to their
``search`` function.
"""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np

from benchmarks.pool import Pool, silence
from benchmarks.worlds import Arm, ArmResult, World

PEERS = {"gepa": "gepa_arm", "mipro": "mipro_arm", "capo": "capo_arm"}


def peer(name: str, params: Mapping[str, Any]) -> Arm:
    """The arm of that name."""
    return partial(_search, import_module(PEERS[name]).search, params)


def _search(search: Any, params: Mapping[str, Any], world: World, max_calls: int, seed: int) -> ArmResult:
    pool = Pool(world, max_calls, np.random.default_rng(seed))
    began = process_time()
    with silence():
        winner = pool.prompt(search(pool, max_calls, seed, **params))
    seconds = process_time() - began - pool.evaluator.seconds
    return ArmResult(winner, pool.evaluator.calls, pool.evaluator.refused, seconds)
