"""What a surrogate has learned, as plain values: kept in files, moved to larger spaces, gone on from.

Only what answers have taught is here; matrices are computed again from it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptrl.errors import UsageError
from promptrl.search.surrogate.data import AnswerList, Indices
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.regression import Weights
from promptrl.search.surrogate.triples import RandomParityFeatures
from promptrl.search.surrogate.variances import Link, Variances

FORMAT = 3


@dataclass(frozen=True, slots=True)
class SurrogateRules:
    """What a surrogate takes prompts to be made of.

    Attributes:
        with_pairs: Whether pairs of features have effects of their own.
        with_triples: Whether three options together have, where there are three slots.
        with_rows: Whether rows differ in difficulty.
        link: What is linear: the objective itself, or its log odds.
    """

    with_pairs: bool = True
    with_triples: bool = True
    with_rows: bool = True
    link: Link = "logit"


DEFAULT_RULES = SurrogateRules()


@dataclass(frozen=True, slots=True, eq=False)
class SurrogateState:
    """All that a surrogate has learned.

    Attributes:
        table: The features of a prompt.
        row_ids: Of the rows that prompts can be asked on, by their numbers: two splits number them differently.
        rules: What prompts are taken to be made of.
        variances: Of the prior.
        noise: Variance of the noise.
        answers: Every answer.
        n_fitted: How many of them the posterior goes over, the first ones.
        tune_at: With how many answers variances and pairs are chosen again.
        parities: How three options act together.
        pairs: The active pairs, shape (n_pairs, 2).
        weights: The most probable ones.
        linearized_at: Those that the last step of the fit started from.
        rng: State of the generator (PCG64) that draws pairs and parities, as numpy gives it.
    """

    table: FeatureTable
    row_ids: tuple[str, ...]
    rules: SurrogateRules
    variances: Variances
    noise: float
    answers: AnswerList
    n_fitted: int
    tune_at: int
    parities: RandomParityFeatures
    pairs: Indices
    weights: Weights
    linearized_at: Weights
    rng: Mapping[str, Any]


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """A random generator that goes on from a state of PCG64."""
    rng = np.random.Generator(np.random.PCG64())
    rng.bit_generator.state = state
    return rng


def with_rows(state: SurrogateState, row_ids: Sequence[str]) -> SurrogateState:
    """The same state where prompts are asked on other rows: each keeps its answers and its difficulty.

    Args:
        state: What was learned.
        row_ids: Of the rows now, by their numbers; those that only the state has come after them.
    """
    every = tuple(dict.fromkeys((*row_ids, *state.row_ids)))
    number = {row_id: at for at, row_id in enumerate(every)}
    places = np.array([number[row_id] for row_id in state.row_ids], dtype=np.intp)

    def moved(weights: Weights) -> Weights:
        difficulty = np.zeros(len(every))
        difficulty[places] = weights.difficulty
        return replace(weights, difficulty=difficulty)

    return replace(
        state,
        row_ids=every,
        answers=replace(state.answers, row=places[state.answers.row]),
        weights=moved(state.weights),
        linearized_at=moved(state.linearized_at),
    )


def encode_state(state: SurrogateState) -> bytes:
    """The content of an npz file: arrays, and one of JSON in UTF-8 for everything else."""
    plain = {
        "texts": state.table.texts,
        "kinds": state.table.kinds,
        "row_ids": state.row_ids,
        "rules": asdict(state.rules),
        "variances": asdict(state.variances),
        "noise": state.noise,
        "prompt_ids": state.answers.prompt_ids,
        "n_fitted": state.n_fitted,
        "tune_at": state.tune_at,
        "rng": state.rng,
    }
    file = BytesIO()
    np.savez_compressed(
        file,
        format=np.array(FORMAT),
        plain=np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8),
        **_arrays("table", state.table, ("slot_of", "alike", "crowd")),
        **_arrays("answers", state.answers, ("features", "prompt", "row", "objective")),
        **_arrays("parities", state.parities, ("slots", "flips", "shares")),
        **_arrays("weights", state.weights, ("columns", "difficulty", "misfit")),
        **_arrays("linearized_at", state.linearized_at, ("columns", "difficulty", "misfit")),
        pairs=state.pairs,
    )
    return file.getvalue()


def decode_state(content: bytes, source: str) -> SurrogateState:
    """The state that ``encode_state`` wrote; nothing in it is executed.

    Args:
        content: Of the file.
        source: Where it comes from, for messages.

    Raises:
        UsageError: It is damaged, or of another format.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            found = int(file["format"])
            if found == FORMAT:
                return _state({name: file[name] for name in file.files})
    except Exception as error:  # numpy, zipfile, zlib and json each have their own ways to say that bytes are wrong
        raise UsageError(f"{source}: not the state of a surrogate, or a damaged one") from error
    raise UsageError(f"{source}: got a surrogate's state of format {found}, expected format {FORMAT}")


def _arrays(prefix: str, value: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{prefix}.{name}": getattr(value, name) for name in names}


def _state(arrays: Mapping[str, NDArray[Any]]) -> SurrogateState:
    plain = json.loads(arrays["plain"].tobytes())
    table = FeatureTable(
        tuple(plain["texts"]),
        tuple(plain["kinds"]),
        arrays["table.slot_of"],
        arrays["table.alike"],
        arrays["table.crowd"],
    )
    parities = (arrays[f"parities.{name}"] for name in ("slots", "flips", "shares"))
    answers = (arrays[f"answers.{name}"] for name in ("features", "prompt", "row", "objective"))
    weights, linearized_at = (
        Weights(*(arrays[f"{prefix}.{name}"] for name in ("columns", "difficulty", "misfit")))
        for prefix in ("weights", "linearized_at")
    )
    return SurrogateState(
        table=table,
        row_ids=tuple(plain["row_ids"]),
        rules=SurrogateRules(**plain["rules"]),
        variances=Variances(**plain["variances"]),
        noise=plain["noise"],
        answers=AnswerList(tuple(plain["prompt_ids"]), *answers),
        n_fitted=plain["n_fitted"],
        tune_at=plain["tune_at"],
        parities=RandomParityFeatures(table.slot_of, *parities),
        pairs=arrays["pairs"],
        weights=weights,
        linearized_at=linearized_at,
        rng=plain["rng"],
    )
