"""Random factorial landscapes of 10^2 to 10^12 prompts, computed on demand.

The logit of a prompt is a sum of main effects of its options, sparse effects of pairs of options, effects of a few
conjunctions of three or four options (in some kinds), and a small rugged residue of its own. Whether the answer to a
row is right is drawn once for each pair of prompt and row, by a hash, from that logit minus the row's difficulty, so
that asking again gives the same answer, as a model at temperature 0 does.

A prompt's fresh score is its expected score on the fresh rows. All rows rank prompts by the same logit, so the oracle
is the prompt of the highest logit: by enumeration up to 20,000 prompts, else the best of 200 coordinate ascents from
random starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from benchmarks.worlds import FloatArray, World, make_rows
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.building import make_slot_space
from promptrl.prompts.prompt import Prompt

IntArray = npt.NDArray[np.int64]
HashArray = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of landscape is drawn from; standard deviations on the logit scale.

    Attributes:
        options: Options by slot, the empty one included.
        conjunctions: How many sets of options earn a bonus together.
        way: How many options such a set has.
        main_sd: Of the effects of options.
        pair_sd: Of the effects of pairs.
    """

    options: tuple[int, ...]
    conjunctions: int = 0
    way: int = 0
    main_sd: float = 0.7
    pair_sd: float = 0.6


SHAPES = {
    "1e2": Shape((4, 5, 5)),
    "1e4": Shape((5, 6, 5, 4, 4, 3)),
    "1e6": Shape((6, 6, 6, 6, 6, 5, 5, 5)),
    "1e12": Shape((10,) * 12),
    "wide": Shape((50,) * 20),
    "1e4-3way": Shape((5, 6, 5, 4, 4, 3), conjunctions=3, way=3, main_sd=0.35, pair_sd=0.3),
    "1e4-4way": Shape((5, 6, 5, 4, 4, 3), conjunctions=6, way=4, main_sd=0.35, pair_sd=0.3),
}
"""By name; the number of prompts is 100, 7,200, 972,000, 10^12, 10^34 (1,000 edits), 7,200, 7,200."""

PAIR_CHANCE = 0.4
RUGGED_SD = 0.2
DIFFICULTY_SD = 1.2
CONJUNCTION_BONUS = 2.5
BASELINE_LOGIT = -1.0
FULL_SIZE_SLOTS = 6
TRAIN_ROWS, VALIDATION_ROWS, FRESH_ROWS = 200, 100, 1000
EXACT_SIZE = 20_000
ASCENTS = 200
MAX_SWEEPS = 30
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Landscape:
    """The logits and answers of one random landscape.

    With more than six slots effects are smaller in proportion, so that the logits of random prompts spread no more
    than with six. The empty option of every slot has no effect.

    Args:
        shape: Sizes and spreads.
        seed: Of everything drawn.
    """

    def __init__(self, shape: Shape, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.options = np.array(shape.options)
        n, widest = len(shape.options), max(shape.options)
        self.main = self._draw(rng, (n, widest), shape.main_sd * min(1.0, FULL_SIZE_SLOTS / n) ** 0.5)
        first, second = np.triu_indices(n, 1)
        full_pairs = FULL_SIZE_SLOTS * (FULL_SIZE_SLOTS - 1) / 2
        pair_sd = shape.pair_sd * min(1.0, full_pairs / len(first)) ** 0.5
        present = rng.random((len(first), widest, widest)) < PAIR_CHANCE
        self.pairs = self._draw(rng, (len(first), widest, widest), pair_sd) * present
        self.pairs[:, :, 0] = 0
        self._pair_slots = first, second
        self._conjunctions = [
            (slots, rng.integers(1, self.options[slots]))
            for slots in (rng.choice(n, shape.way, replace=False) for _ in range(shape.conjunctions))
        ]
        self._hash_seed = np.uint64(rng.integers(2**63))
        self._strides = np.cumprod([1, *shape.options[:-1]]).astype(np.int64)
        self._difficulty = rng.normal(0, DIFFICULTY_SD, TRAIN_ROWS + VALIDATION_ROWS + FRESH_ROWS)
        self._slots = {f"s{i}": ["", *(f"o{i}_{k}" for k in range(1, size))] for i, size in enumerate(shape.options)}
        self._place = {
            (name, text): (i, k) for i, (name, texts) in enumerate(self._slots.items()) for k, text in enumerate(texts)
        }

    @staticmethod
    def _draw(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> FloatArray:
        drawn = rng.normal(0, sd, shape)
        drawn[:, 0] = 0
        return drawn

    def logits(self, codes: IntArray) -> FloatArray:
        """Of prompts given as option numbers by slot, shape (n, slots); returns shape (n,)."""
        first, second = self._pair_slots
        logits = BASELINE_LOGIT + self.main[np.arange(len(self.options)), codes].sum(1)
        logits += self.pairs[np.arange(len(first)), codes[:, first], codes[:, second]].sum(1)
        for slots, wanted in self._conjunctions:
            logits += CONJUNCTION_BONUS * (codes[:, slots] == wanted).all(1)
        residue: FloatArray = ndtri(_uniform(self._number(codes) ^ self._hash_seed))
        return np.asarray(logits + RUGGED_SD * residue)

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """1 where the answer is right, else 0."""
        codes = np.stack([self.code(prompt) for prompt, _ in asks])
        rows = np.array([int(row.id) for _, row in asks])
        chance = expit(self.logits(codes) - self._difficulty[rows])
        drawn = _uniform(_mix(self._number(codes) ^ self._hash_seed) + rows.astype(np.uint64))
        return np.asarray(drawn < chance, dtype=np.float64)

    def fresh_score(self, prompt: Prompt) -> float:
        """The expected score on the fresh rows."""
        return self.expected(self.logits(self.code(prompt)[None])[0])

    def overall_score(self, prompt: Prompt) -> float:
        """The same: it is an expectation, and the fresh rows are many."""
        return self.fresh_score(prompt)

    def expected(self, logit: float) -> float:
        """The expected score of a prompt with that logit on the fresh rows."""
        return float(expit(logit - self._difficulty[-FRESH_ROWS:]).mean())

    def code(self, prompt: Prompt) -> IntArray:
        """Option numbers of a prompt, shape (slots,)."""
        code = np.zeros(len(self.options), dtype=np.int64)
        for item in prompt.slots:
            slot, option = self._place[item]
            code[slot] = option
        return code

    def best_logit(self, rng: np.random.Generator) -> float:
        """The highest logit of any prompt."""
        if np.prod(self.options.astype(float)) <= EXACT_SIZE:
            codes = np.stack([grid.ravel() for grid in np.indices(tuple(self.options))], axis=1)
            return float(self.logits(codes).max())
        codes = rng.integers(0, self.options, (ASCENTS, len(self.options)))
        for _ in range(MAX_SWEEPS):
            before = codes.copy()
            for slot in rng.permutation(len(self.options)):
                codes = self._best_in_slot(codes, int(slot))
            if np.array_equal(codes, before):
                break
        return float(self.logits(codes).max())

    def world(self, kind: str, seed: int) -> World:
        """The landscape as a world."""
        names = [str(i) for i in range(TRAIN_ROWS + VALIDATION_ROWS)]
        rows = make_rows(names)
        best = self.best_logit(np.random.default_rng(seed))
        return World(
            kind=kind,
            seed=seed,
            space=make_slot_space(self._slots, "{question}"),
            train=rows[:TRAIN_ROWS],
            validation=rows[TRAIN_ROWS:],
            answers=self,
            oracle_score=self.expected(best),
        )

    def _best_in_slot(self, codes: IntArray, slot: int) -> IntArray:
        """Each prompt with the best option in one slot."""
        size = int(self.options[slot])
        tried = np.repeat(codes[:, None], size, axis=1)
        tried[:, :, slot] = np.arange(size)
        best = self.logits(tried.reshape(-1, codes.shape[1])).reshape(len(codes), size).argmax(1)
        return np.asarray(tried[np.arange(len(codes)), best])

    def _number(self, codes: IntArray) -> HashArray:
        """Each prompt's number in the space, modulo 2^64."""
        return (codes @ self._strides).astype(np.uint64)


def make_landscape(kind: str, seed: int) -> World:
    """The world of that kind and seed."""
    return Landscape(SHAPES[kind], seed).world(kind, seed)


def _mix(values: HashArray) -> HashArray:
    """Splitmix64 (Steele et al. 2014): a hash of each number."""
    z = (values + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _uniform(values: HashArray) -> FloatArray:
    """A number in (0, 1) for each number."""
    return ((_mix(values) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
