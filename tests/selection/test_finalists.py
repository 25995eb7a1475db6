"""The finals name the better prompt fairly, within their calls, and fall back on the baseline."""

import itertools

import numpy as np
import pytest

from promptrl.search.events import FinalistsProgress
from promptrl.search.posterior import NO_IDEA_SD, SeparatePosterior
from promptrl.search.result import Candidate
from promptrl.selection.finalists import ROUNDS, choose_winner
from promptrl.tasks.dataset import Example
from tests.search.landscape import make_rows, make_space, table_evaluator

SPACE = make_space((4, 4))
PROMPTS = list(SPACE.enumerate())
BASELINE = PROMPTS[0]


def race(values, *, max_calls=1000, rows=60, noise=0.0, candidates=None, posterior=None, **rest):
    """Run the finals; ``values`` gives the true objective by prompt id, 0.5 where it is silent.

    The search believes nothing of anyone, except (mean, sd) in ``posterior`` by prompt id.
    """

    def value(prompt, row):
        chance = values.get(prompt.prompt_id, 0.5)
        coin = np.random.default_rng([int(prompt.prompt_id, 16), int(row.id[1:])])
        return float(coin.random() < chance) if noise else chance

    evaluator = table_evaluator(rest.pop("value", value), validation=max_calls)
    candidates = PROMPTS[1:9] if candidates is None else candidates
    believed = [Candidate(p, *(posterior or {}).get(p.prompt_id, (0.5, NO_IDEA_SD)), answers=0) for p in candidates]
    made, rng = make_rows(rows), np.random.default_rng(0)
    learned = SeparatePosterior(believed, made)
    result = choose_winner(believed, learned, BASELINE, made, evaluator, max_calls, rng, **rest)
    return result, evaluator


def test_best_candidate_wins():
    """Among eight the one with the highest objective is named, with its figures."""
    result, _ = race({PROMPTS[3].prompt_id: 0.9, PROMPTS[4].prompt_id: 0.7})
    winner = result.leaderboard[0]
    assert result.winner == winner.prompt == PROMPTS[3]
    assert winner.objective == pytest.approx(0.9)
    assert winner.difference == pytest.approx(0.4)


def test_baseline_wins_when_nothing_is_better():
    """Candidates below the baseline do not win by being the best of the bad."""
    result, _ = race({prompt.prompt_id: 0.3 for prompt in PROMPTS[1:9]})
    assert result.winner == BASELINE
    assert result.leaderboard[0].is_baseline


def test_calls_go_where_they_can_change_the_choice():
    """The two best answer most rows; the baseline and others that are far behind are not asked again and again."""
    chances = {prompt.prompt_id: 0.2 for prompt in PROMPTS[:9]} | {p.prompt_id: 0.8 for p in PROMPTS[3:5]}
    result, _ = race(chances, noise=1.0, rows=100, max_calls=150)
    rows = {finalist.prompt: finalist.rows for finalist in result.leaderboard}
    assert result.winner in PROMPTS[3:5]
    assert rows[PROMPTS[3]] + rows[PROMPTS[4]] > 75
    assert max(rows[prompt] for prompt in PROMPTS[:9] if prompt not in PROMPTS[3:5]) < 15


@pytest.mark.parametrize("max_calls", [0, 1, 15, 16, 40, 100, 333])
def test_calls_stay_within_their_share(max_calls):
    """Whatever the share, no more is spent, and what is spent is told."""
    result, evaluator = race({PROMPTS[2].prompt_id: 0.9}, max_calls=max_calls)
    assert result.calls_used == max_calls - evaluator.calls_left("validation")
    assert result.calls_used <= max_calls
    assert (result.winner == PROMPTS[2]) == (max_calls >= 15)


def test_rows_that_run_out_leave_calls_unused():
    """With few validation rows nothing is asked twice and the rest comes back."""
    result, evaluator = race({PROMPTS[2].prompt_id: 0.9}, rows=10, max_calls=1000)
    assert result.calls_used <= 9 * 10
    assert evaluator.calls_left("validation") == 1000 - result.calls_used
    assert result.winner == PROMPTS[2]


def test_tie_goes_to_the_shorter_prompt_then_to_the_baseline():
    """Equal objectives: fewer tokens win, and nothing is shorter than the baseline here."""
    tied, _ = race({prompt.prompt_id: 0.5 for prompt in PROMPTS})
    assert tied.winner == BASELINE
    long, short = max(PROMPTS, key=lambda p: len(p.text)), PROMPTS[1]
    assert len(short.text) < len(long.text)
    result, _ = race({long.prompt_id: 0.9, short.prompt_id: 0.9}, candidates=[long, short])
    assert result.winner == short


def test_all_share_the_same_rows():
    """In each round everyone is asked on the same rows, each pair once."""
    asked = {}

    def value(prompt, row):
        asked.setdefault(prompt.prompt_id, []).append(row.id)
        return 0.5 + PROMPTS.index(prompt) / 100

    race({}, value=value, max_calls=200)
    rows = sorted(asked.values(), key=len)
    assert all(set(fewer) <= set(more) for fewer, more in itertools.pairwise(rows))
    assert all(len(set(mine)) == len(mine) for mine in rows)


def test_missing_answers_leave_the_row_out_of_the_pair():
    """A row that only the baseline answered does not count against the candidate."""

    def value(prompt, row):
        if prompt == PROMPTS[1]:
            return None if int(row.id[1:]) % 2 else 0.8
        return 0.1 if int(row.id[1:]) % 2 else 0.6

    result, _ = race({}, value=value, candidates=[PROMPTS[1]])
    winner = result.leaderboard[0]
    assert winner.prompt == PROMPTS[1]
    assert winner.difference == pytest.approx(0.2)
    assert 0 < winner.rows < result.leaderboard[1].rows


def test_noise_rarely_beats_a_clear_winner():
    """Right-or-wrong answers, 0.75 against 0.45: the better one is named in nearly every shuffle of the rows."""
    chances = {prompt.prompt_id: 0.45 for prompt in PROMPTS} | {PROMPTS[5].prompt_id: 0.75}
    result, _ = race(chances, noise=1.0, rows=100, max_calls=600)
    assert result.winner == PROMPTS[5]


def test_the_search_decides_between_equals_and_gives_way_to_answers():
    """On few rows the search's posterior counts; many rows say otherwise and prevail."""
    chances = {PROMPTS[2].prompt_id: 0.8, PROMPTS[3].prompt_id: 0.55}
    rivals = [PROMPTS[2], PROMPTS[3]]
    wrong = {PROMPTS[2].prompt_id: (0.5, 0.05), PROMPTS[3].prompt_id: (0.75, 0.05)}
    few, _ = race(chances, rows=4, candidates=rivals, posterior=wrong)
    many, _ = race(chances, rows=600, max_calls=3000, candidates=rivals, posterior=wrong)
    assert few.winner == PROMPTS[3]
    assert many.winner == PROMPTS[2]


def test_what_the_search_knows_is_not_thrown_away():
    """A few rows on which the baseline happens to lead do not outweigh the many answers of the search."""
    own = [Candidate(BASELINE, 0.3, 0.05, answers=20), Candidate(PROMPTS[5], 0.6, 0.03, answers=100)]
    rows = make_rows(6)
    evaluator = table_evaluator(lambda p, r: 0.5 if p == BASELINE else 0.4, validation=1000)
    rng = np.random.default_rng(0)
    result = choose_winner(own, SeparatePosterior(own, rows), BASELINE, rows, evaluator, 1000, rng)
    assert result.winner == PROMPTS[5]


def test_no_candidates_leave_the_baseline():
    """The baseline among the candidates is passed over."""
    result, evaluator = race({}, candidates=[BASELINE])
    assert result.winner == BASELINE
    assert [finalist.is_baseline for finalist in result.leaderboard] == [True]
    assert evaluator.calls_left("validation") == 1000


def test_every_round_is_reported():
    """Watchers see rounds, calls and who can still win, the best first."""
    events = []
    race({PROMPTS[2].prompt_id: 0.95}, noise=1.0, rows=100, max_calls=400, on_event=events.append)
    assert all(isinstance(event, FinalistsProgress) for event in events)
    assert [event.round for event in events] == list(range(1, len(events) + 1))
    assert events[0].rounds == ROUNDS
    assert events[-1].round == events[-1].rounds
    assert [event.calls_used for event in events] == sorted(event.calls_used for event in events)
    assert len(events[-1].alive) < len(events[0].alive) <= 9


def test_the_leader_that_is_shown_is_ahead_by_what_is_shown():
    """Also where the search holds another one, who is not ahead on these rows, for the better one."""
    events = []
    posterior = {PROMPTS[1].prompt_id: (0.9, 0.02)}
    race(
        {PROMPTS[1].prompt_id: 0.45, PROMPTS[2].prompt_id: 0.6},
        candidates=PROMPTS[1:3],
        posterior=posterior,
        on_event=events.append,
    )
    assert events[-1].alive[0] == PROMPTS[2].prompt_id
    assert events[-1].leader_difference == pytest.approx(0.1)


def test_the_rows_that_are_shown_are_those_of_the_difference_that_is_shown():
    """Of the leader and the baseline; others who can still win may have fewer."""
    events = []
    rivals = {prompt.prompt_id: 0.5 for prompt in PROMPTS[1:6]}
    result, _ = race(rivals, noise=1.0, rows=100, max_calls=200, on_event=events.append)
    rows = {finalist.prompt.prompt_id: finalist.rows for finalist in result.leaderboard}
    leader = rows[events[-1].alive[0]]
    assert events[-1].rows == min(leader, rows[BASELINE.prompt_id])
    assert min(rows[alive] for alive in events[-1].alive) < leader


def test_rows_of_one_input_are_one_piece_of_evidence():
    """Ten rows of two inputs leave the standard error of two."""

    def figures(inputs):
        rows = [Example(f"r{i}", {"input": str(i % inputs)}, None, {}) for i in range(10)]
        evaluator = table_evaluator(lambda p, r: float(p == PROMPTS[1] and r.fields["input"] == "0"), validation=1000)
        candidates = [Candidate(PROMPTS[1], 0.5, NO_IDEA_SD, answers=0)]
        learned = SeparatePosterior(candidates, rows)
        result = choose_winner(candidates, learned, BASELINE, rows, evaluator, 1000, np.random.default_rng(0))
        return next(finalist for finalist in result.leaderboard if not finalist.is_baseline)

    few = figures(2)
    assert few.rows == 10
    assert few.sd == pytest.approx(np.sqrt((2 * 0.5**2 + 0.25) / 2 / 2))
    assert figures(10).difference == pytest.approx(0.1)
