"""Whether effects of edits are found, unbiased by what an agent liked to ask, and rightly unsure."""

import numpy as np
import numpy.typing as npt
import pytest

from promptrl.stats.main_effects import MIN_ANSWERS, MIN_EACH, MIN_UNLIKE, main_effects

OPTIONS = (3, 4, 2)
SLOTS = [f"s{slot}" for slot, n in enumerate(OPTIONS) for _ in range(n)]


def draw(rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.bool_]]:
    """Uniform settings of the slots, shape (n, n_slots), and which edits they hold, shape (n, n_edits)."""
    chosen = np.array([rng.integers(options, size=n) for options in OPTIONS]).T
    holds = np.hstack([np.eye(options, dtype=bool)[chosen[:, slot]] for slot, options in enumerate(OPTIONS)])
    return chosen, holds


def score(chosen: npt.NDArray[np.int_], rows: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Option 2 of slot 0 adds 0.3, the two last options of slots 1 and 2 add 0.4 together; even rows are easier."""
    return 0.1 + 0.3 * (chosen[:, 0] == 2) + 0.4 * ((chosen[:, 1] == 3) & (chosen[:, 2] == 1)) + 0.2 * (rows % 2 == 0)


EXACT = {0: -0.15, 2: 0.3, 6: 0.2, 8: 0.1}
"""Exact effects by edit: against the mean of the slot's other options, over uniform settings of the other slots."""


def test_effects_are_found_with_intervals_that_hold_them() -> None:
    """Main effects come out, half of a pair's gain being the effect of either."""
    rng = np.random.default_rng(0)
    chosen, holds = draw(rng, 600)
    rows = rng.integers(40, size=600)
    scores = score(chosen, rows) + rng.normal(0, 0.02, 600)
    found = {e.edit: e for e in main_effects(holds, SLOTS, [str(r) for r in rows], list(scores), [True] * 600)}
    assert sorted(found) == list(range(9))
    for edit, exact in EXACT.items():
        assert found[edit].low < exact < found[edit].high
        assert found[edit].high - found[edit].low < 0.1


def test_intervals_cover_what_they_say() -> None:
    """Right-or-wrong answers with interactions and rows: 90 % intervals cover in about 90 % of cases."""
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        chosen, holds = draw(rng, 120)
        rows = rng.integers(30, size=120)
        scores = (rng.random(120) < score(chosen, rows)).astype(float)
        for e in main_effects(holds, SLOTS, [str(r) for r in rows], list(scores), [True] * 120):
            if e.edit in EXACT:
                covered.append(e.low <= EXACT[e.edit] <= e.high)
    assert 0.83 < np.mean(covered) < 0.96


def test_answers_that_were_not_drawn_uniformly_are_left_out() -> None:
    """An agent that asks an edit only where all else is good would make it look good."""
    rng = np.random.default_rng(1)
    chosen, holds = draw(rng, 400)
    rows = np.arange(400) % 20
    ids, scores = [str(r) for r in rows], score(chosen, rows)
    biased = np.array([2, 3, 1])
    many = np.hstack([np.eye(n, dtype=bool)[[biased[slot]] * 400] for slot, n in enumerate(OPTIONS)])
    alone = main_effects(holds, SLOTS, ids, list(scores), [True] * 400)
    mixed = main_effects(
        np.vstack([holds, many]), SLOTS, ids * 2, [*scores, *np.full(400, 0.9)], [True] * 400 + [False] * 400
    )
    assert mixed == alone


def test_rows_are_not_mistaken_for_effects() -> None:
    """What rows and other slots explain is taken off: the interval is narrower than the plain difference's."""
    rng = np.random.default_rng(2)
    chosen, holds = draw(rng, 300)
    rows = rng.integers(10, size=300)
    scores = 0.3 * (chosen[:, 0] == 2) + 0.05 * rows
    known = main_effects(holds, SLOTS, [str(r) for r in rows], list(scores), [True] * 300)
    unknown = main_effects(holds, SLOTS, [str(i) for i in range(300)], list(scores), [True] * 300)
    widths = [np.mean([e.high - e.low for e in effects]) for effects in (known, unknown)]
    assert widths[0] < 0.6 * widths[1]


@pytest.mark.parametrize(("n", "is_uniform"), [(MIN_ANSWERS - 1, True), (300, False)])
def test_too_few_uniform_answers_say_nothing(n: int, is_uniform: bool) -> None:
    """Rather no effect than a wild one."""
    chosen, holds = draw(np.random.default_rng(3), n)
    rows = np.zeros(n, dtype=int)
    assert main_effects(holds, SLOTS, ["r"] * n, list(score(chosen, rows)), [is_uniform] * n) == []


def test_an_edit_that_hardly_any_answer_holds_gets_no_effect() -> None:
    """The others do."""
    chosen, holds = draw(np.random.default_rng(4), 200)
    holds[:, 0] = False
    holds[: MIN_EACH - 1, 0] = True
    found = main_effects(holds, SLOTS, ["r"] * 200, list(score(chosen, chosen[:, 0])), [True] * 200)
    assert [e.edit for e in found] == list(range(1, 9))


@pytest.mark.parametrize(("unlike", "has_effects"), [(0, False), (MIN_UNLIKE - 1, False), (MIN_UNLIKE, True)])
def test_where_nearly_all_answers_score_alike_nothing_is_claimed(unlike: int, has_effects: bool) -> None:
    """A score that nobody has seen vary may yet vary."""
    _, holds = draw(np.random.default_rng(5), 100)
    scores = [1.0] * unlike + [0.0] * (100 - unlike)
    assert bool(main_effects(holds, SLOTS, ["r"] * 100, scores, [True] * 100)) is has_effects
