"""How often verdicts are wrong, how often they find a gain, and how far reported scores are from the truth.

``python -m benchmarks.proof [--nights 10000] [--histories 2000] [--runs 400]``: simulations of the program's own
tests (no model is asked), the full size in some minutes on one core. Two prompts with right and wrong answers are
discordant on a row when exactly one of them is right; rows are drawn anew every night unless it says otherwise.
"""

import argparse
import time
import warnings
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.simulated_world import Night, World, live_through
from benchmarks.stopping import stopping_rows
from promptrl.runs.result import decide_verdict
from promptrl.stats.alpha_spending import SpendingAccount
from promptrl.stats.betting_deadline import deadline_interval, has_reached_goal
from promptrl.stats.gate import Gate
from promptrl.stats.paired import paired_comparison, verdict

ROWS = 200
VALIDATION_ROWS = 100
CANDIDATES = 8
CONFIDENCE = 0.95
HISTORY = 30
CHUNK = 500

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@cache
def fixed_verdict(wins: int, losses: int, rows: int = ROWS, confidence: float = CONFIDENCE) -> str:
    """What the fixed test says of so many wins and losses."""
    ties = rows - wins - losses
    challenger, champion = [1.0] * wins + [0.0] * (losses + ties), [0.0] * wins + [1.0] * losses + [0.0] * ties
    result = paired_comparison(challenger, champion, confidence)
    return verdict(result, min_improvement=0, margin=0.02, is_baseline=False)


def fixed(differences: Floats, confidence: float = CONFIDENCE) -> npt.NDArray[np.str_]:
    """The fixed test's verdict on each night of shape (nights, rows)."""
    wins, losses = (differences > 0).sum(axis=1).tolist(), (differences < 0).sum(axis=1).tolist()
    pairs = zip(wins, losses, strict=True)
    return np.array([fixed_verdict(won, lost, differences.shape[1], confidence) for won, lost in pairs])


def draw(rng: np.random.Generator, nights: int, rate: float, gain: float) -> Floats:
    """Differences of two prompts, shape (nights, ROWS)."""
    draws = rng.random((nights, ROWS))
    return (draws < (rate + gain) / 2).astype(float) - (draws > 1 - (rate - gain) / 2)


def naive_promotions(rng: np.random.Generator, nights: int, rate: float) -> int:
    """Nights on which the best of eight equal candidates has a better validation mean than the champion."""
    champion = rng.random((nights, 1, VALIDATION_ROWS)) < 0.5
    candidates = champion ^ (rng.random((nights, CANDIDATES, VALIDATION_ROWS)) < rate)
    return int((candidates.sum(axis=2).max(axis=1) > champion.sum(axis=2)[:, 0]).sum())


def upper(count: int, nights: int) -> float:
    """Upper 99 % bound of a rate (Clopper & Pearson)."""
    return float(stats.beta.ppf(0.99, count + 1, nights - count)) if count < nights else 1.0


def share(count: int, nights: int) -> str:
    """A rate with its upper bound, in percent."""
    return f"{100 * count / nights:5.2f} (<= {100 * upper(count, nights):5.2f})"


def print_equal_prompts(nights: int, rng: np.random.Generator) -> None:
    """False promotions when nothing is better."""
    print(f"\n1a. Equal prompts, {nights:,} nights, {ROWS} test rows: % false claims (upper 99 % bound)")
    print("discordant  fixed improved   fixed either     seq. improved    seq. either      seq. rows  best validation")
    for rate in (0.1, 0.2, 0.3, 0.4):
        counts = {"fixed": [0, 0], "sequential": [0, 0]}
        used = naive = 0
        for start in range(0, nights, CHUNK):
            size = min(CHUNK, nights - start)
            differences = draw(rng, size, rate, 0.0)
            stops, rows = stopping_rows(differences, CONFIDENCE)
            for name, verdicts in (("fixed", fixed(differences)), ("sequential", stops)):
                counts[name][0] += int((verdicts == "improved").sum())
                counts[name][1] += int(np.isin(verdicts, ("improved", "worse")).sum())
            used += int(rows.sum())
            naive += naive_promotions(rng, size, rate)
        cells = "  ".join(share(count, nights) for pair in counts.values() for count in pair)
        print(f"{rate:10.0%}  {cells}  {used / nights / ROWS:8.0%}  {naive / nights:14.1%}", flush=True)


def print_histories(histories: int, rng: np.random.Generator) -> None:
    """Histories in which a prompt that is no better is promoted even once."""
    print(
        f"\n1b. {HISTORY} nights of equal prompts, {histories:,} histories, 20 % discordant: % that promote even once"
    )
    print("test rows       fixed 2.5 % a night  fixed, account   seq. 2.5 % a night   seq., account    best validation")
    for are_fresh in (True, False):
        promoted: dict[str, Booleans] = {}
        champion = rng.random((histories, ROWS)) < 0.5
        account = SpendingAccount()
        for _ in range(HISTORY):
            if are_fresh:
                differences = draw(rng, histories, 0.2, 0.0)
            else:
                flips = rng.random((histories, ROWS)) < 0.2
                differences = np.asarray(flips * np.where(champion, -1.0, 1.0), dtype=np.float64)
            strict = account.next_confidence(CONFIDENCE)
            tonight = {
                "fixed": fixed(differences),
                "fixed, account": fixed(differences, strict),
                "sequential": stopping_rows(differences, CONFIDENCE)[0],
                "sequential, account": stopping_rows(differences, strict)[0],
            }
            for name, verdicts in tonight.items():
                promoted[name] = promoted.get(name, np.zeros(histories, np.bool_)) | (verdicts == "improved")
            account = account.spend(has_promoted=False)
        naive = sum(bool(naive_promotions(rng, HISTORY, 0.2)) for _ in range(min(histories, 200)))
        cells = "  ".join(f"{share(int(hits.sum()), histories):>17}" for hits in promoted.values())
        label = "fresh nightly" if are_fresh else "the same"
        print(f"{label:<14}  {cells}  {naive / min(histories, 200):13.1%}", flush=True)


def print_graded(nights: int, rng: np.random.Generator) -> None:
    """Graded scores: a little better on most rows, a total loss on few, equal in the mean; and a true gain."""
    print(f"\n1c. Graded scores, {nights:,} nights: % improved by bets, by the bootstrap (BCa) and by the t test")
    print("rows  a total loss on 3 % (equal)     even spread (equal)             even spread, +3 points")
    for rows in (40, 200):
        is_lost = rng.random((nights, rows)) < 0.03
        even = rng.uniform(-0.3, 0.3, (nights, rows))
        cells = []
        for differences in (np.where(is_lost, -1.0, 0.03 / 0.97), even, even + 0.03):
            level = np.full(nights, (1 - CONFIDENCE) / 2)
            lows = [(low_by_bootstrap(row), low_by_t(row)) for row in differences]
            shares = [has_reached_goal(differences, np.zeros(nights), level).mean(), *(np.array(lows) > 0).mean(axis=0)]
            cells.append(" / ".join(f"{value:6.1%}" for value in shares))
        print(f"{rows:4}  " + "      ".join(cells), flush=True)


def low_by_bets(differences: Floats) -> float:
    """Lower end of the program's interval."""
    return deadline_interval(differences, CONFIDENCE)[0]


def low_by_bootstrap(differences: Floats) -> float:
    """Lower end of the BCa interval."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = stats.bootstrap((differences,), np.mean, confidence_level=CONFIDENCE, n_resamples=999, rng=0)
    low = float(found.confidence_interval.low)
    return low if np.isfinite(low) else float(differences.mean())


def low_by_t(differences: Floats) -> float:
    """Lower end of the t interval."""
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return float(differences.mean() - half)


def print_power(nights: int, rng: np.random.Generator) -> None:
    """How often a true gain is found, and on how many rows."""
    print(f"\n2. Power, {nights:,} nights, {ROWS} test rows: % improved fixed / sequential (rows used), two-sided 95 %")
    gains = (0.0, 0.05, 0.1, 0.15, 0.2)
    print("discordant  " + "  ".join(f"gain {100 * gain:2.0f} points      " for gain in gains))
    for rate in (0.15, 0.2, 0.25, 0.3, 0.4):
        cells = []
        for gain in gains:
            if gain > rate:
                cells.append("impossible")
                continue
            differences = draw(rng, nights, rate, gain)
            stops, rows = stopping_rows(differences, CONFIDENCE)
            found = ((fixed(differences) == "improved").mean(), (stops == "improved").mean())
            cells.append(f"{found[0]:5.1%} / {found[1]:5.1%} ({rows.mean() / ROWS:3.0%})")
        print(f"{rate:10.0%}  " + "  ".join(f"{cell:<20}" for cell in cells), flush=True)


def print_optimism(runs: int) -> None:
    """Reported minus true scores of winners, each run with rows and prompts of its own."""
    print(f"\n3. Reported minus true score of the winner, in points: mean (standard error), {runs} runs each")
    print("world        gate        training     validation   test, all     test, promoted  gain, all    best raw mean")
    for world_name, spread in (("equal", 0.0), ("some better", 0.25)):
        for is_sequential in (False, True):
            gate = Gate(is_sequential=is_sequential)
            nights = [one_run(number, spread, gate) for number in range(runs)]
            tested = [(world, night) for world, night in nights if night.on_test]
            promoted = [pair for pair in tested if is_promoted(pair[1], gate)]
            won = [night for _, night in nights if night.winner]
            columns = [
                [night.training - night.true_score for night in won],
                [night.validation - night.true_score for _, night in nights],
                [test_error(night) for _, night in tested],
                [test_error(night) for _, night in promoted],
                [gain_error(world, night) for world, night in tested],
                [night.best_raw for _, night in nights],
            ]
            cells = "  ".join(f"{mean_error(column):>13}" for column in columns)
            print(f"{world_name:<12} {'sequential' if is_sequential else 'fixed':<10}  {cells}", end="")
            print(f"   ({len(tested)} tested, {len(promoted)} promoted)", flush=True)


def print_few_rows(nights: int) -> None:
    """What can be proven on few rows: a quarter set apart, folds judged in order, and ordinary cross-validation."""
    print(
        f"\n4. Few rows, {nights:,} nights: % improved by a quarter of the rows / 4 folds in order / 10 folds crosswise"
    )
    print("rows  200 equal prompts             32 prompts, some better (judged true gain of the 4 folds, points)")
    for rows in (16, 24, 40, 60, 100):
        cells = []
        for prompts, spread in ((200, 0.0), (32, 0.6)):
            worlds = [World(np.random.default_rng(n), prompts, spread, (rows, 0, 0)) for n in range(nights)]
            found = np.array([few_rows_verdicts(world) for world in worlds])
            cells.append(" / ".join(f"{value:6.1%}" for value in found[:, :3].mean(axis=0)))
            gain = f"{100 * found[:, 3].mean():+.1f}"
        print(f"{rows:4}  {cells[0]}      {cells[1]} ({gain})", flush=True)


def few_rows_verdicts(world: World) -> tuple[bool, bool, bool, float]:
    """Whether each of the three promotes the best mean on the rows it may see, and the true gain of the folds."""
    right, rows = world.right, world.right.shape[1]

    def chosen(seen: npt.NDArray[np.int64]) -> int:
        return int(right[:, seen].mean(axis=1).argmax())

    def differences(winner: int, judged: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(right[winner, judged] - right[0, judged], dtype=np.float64)

    order = np.arange(rows)
    quarter = differences(chosen(order[: 3 * rows // 4]), order[3 * rows // 4 :])
    parts = np.array_split(order, 4)
    winners = [chosen(np.concatenate(parts[:k])) for k in range(1, 4)]
    in_order = np.concatenate([differences(winner, part) for winner, part in zip(winners, parts[1:], strict=True)])
    crosswise = [differences(chosen(np.setdiff1d(order, part)), part) for part in np.array_split(order, 10)]
    return (
        bool(fixed(quarter[None])[0] == "improved"),
        low_by_bets(in_order) > 0,
        bool(fixed(np.concatenate(crosswise)[None])[0] == "improved"),
        float(np.mean(world.true_scores[winners]) - world.true_scores[0]),
    )


def one_run(number: int, spread: float, gate: Gate) -> tuple[World, Night]:
    """A world with a split of its own, and what the program makes of it."""
    rng = np.random.default_rng(number)
    world = World(rng, 64, spread, (100, 100, 150))
    return world, live_through(world, gate, rng)


def is_promoted(night: Night, gate: Gate) -> bool:
    """Whether the verdict is "improved"."""
    return (
        night.on_test is not None and decide_verdict(night.on_test.comparison, gate, is_same_prompt=False) == "improved"
    )


def test_error(night: Night) -> float:
    """Test score of the winner, minus the truth."""
    assert night.on_test is not None
    scores = [outcome.score for outcome in night.on_test.outcomes["winner"] if outcome]
    return float(np.mean(scores)) - night.true_score


def gain_error(world: World, night: Night) -> float:
    """Reported improvement, minus the true one."""
    assert night.on_test is not None
    assert night.on_test.comparison is not None
    return night.on_test.comparison.difference - (night.true_score - float(world.true_scores[0]))


def mean_error(errors: list[float]) -> str:
    """Mean and its standard error, in points."""
    if len(errors) < 2:
        return "-"
    return f"{100 * np.mean(errors):+5.2f} ({100 * np.std(errors, ddof=1) / np.sqrt(len(errors)):.2f})"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=10_000)
    parser.add_argument("--histories", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    began_s = time.monotonic()
    print_equal_prompts(arguments.nights, rng)
    print_histories(arguments.histories, rng)
    print_graded(arguments.nights // 20, rng)
    print_power(min(arguments.nights, 4_000), rng)
    print_optimism(arguments.runs)
    print_few_rows(arguments.nights // 10)
    print(f"\n{time.monotonic() - began_s:.0f} s")


if __name__ == "__main__":
    main()
