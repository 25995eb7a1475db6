"""Splits are seeded, fair, of the right size, and no question stands in two of them."""

import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.tasks.data_file import DataFile
from promptrl.tasks.dataset import Columns, Example, build_examples
from promptrl.tasks.splits import Splits, division_hash, fold_examples, normalise_input, split_examples

HALVES = {"train": 0.5, "validation": 0.25, "test": 0.25}


def examples(inputs: list[str], labels: list[str] | None = None) -> list[Example]:
    """One example per input."""
    rows = [{"q": q, "a": a} for q, a in zip(inputs, labels or ["x"] * len(inputs), strict=True)]
    return built(rows, Columns("q", "a", placeholders=("input",)))


def built(rows: list[dict[str, Any]], columns: Columns) -> list[Example]:
    """The examples of sound rows."""
    return list(build_examples(DataFile("rows", rows), columns).by_position.values())


def numbered(count: int, labels: int = 1) -> list[Example]:
    """Examples with distinct inputs, their labels in file order."""
    return examples([f"question {i}" for i in range(count)], [f"label {i * labels // count}" for i in range(count)])


def parts(splits: Splits) -> list[tuple[Example, ...]]:
    """All four."""
    return [splits.train, splits.validation, splits.test, splits.demonstrations]


def sizes(splits: Splits) -> list[int]:
    """Rows in each of the four."""
    return [len(part) for part in parts(splits)]


def purposes(splits: Splits) -> dict[str, int]:
    """What each question is for: the number of its part."""
    return {e.fields["input"]: number for number, part in enumerate(parts(splits)) for e in part}


class TestSizes:
    """How many rows each split has."""

    @given(
        st.integers(4, 300),
        st.sampled_from([(0.5, 0.25, 0.25), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.3, 0.3, 0.2)]),
        st.booleans(),
        st.integers(0, 50),
    )
    @settings(max_examples=100, deadline=None)
    def test_each_split_has_at_least_half_of_its_share(
        self, count: int, shares: tuple[float, float, float], is_stratified: bool, seed: int
    ) -> None:
        """However few rows there are, from four."""
        fractions = dict(zip(("train", "validation", "test"), shares, strict=True))
        splits = split_examples(numbered(count, 2), fractions=fractions, seed=seed, stratify=is_stratified)
        for part, share in zip(parts(splits), shares, strict=False):
            assert len(part) >= max(1, math.floor(share * count / 2))

    def test_they_are_near_the_shares(self) -> None:
        """As far from them as chance takes 4,000 questions: three standard deviations are 2.4 and 2 points."""
        train, validation, test, _ = sizes(split_examples(numbered(4000), fractions=HALVES, seed=0))
        assert train + validation + test == 4000
        assert (train / 4000, validation / 4000, test / 4000) == pytest.approx((0.5, 0.25, 0.25), abs=0.024)

    def test_what_no_share_covers_is_left_out(self) -> None:
        """Shares of a half in all take about half of the rows."""
        shares = {"train": 0.2, "validation": 0.2, "test": 0.1}
        assert sum(sizes(split_examples(numbered(1000), fractions=shares, seed=0))) == pytest.approx(500, abs=50)

    def test_a_test_set_outlives_other_shares_of_the_rest(self) -> None:
        """Less validation for more train does not touch it."""
        rows = numbered(200)
        first = split_examples(rows, fractions=HALVES, seed=0)
        second = split_examples(rows, fractions={"train": 0.65, "validation": 0.1, "test": 0.25}, seed=0)
        assert first.test == second.test
        assert len(first.train) < len(second.train)

    @pytest.mark.parametrize("is_stratified", [False, True])
    def test_a_limit_draws_a_sample(self, is_stratified: bool) -> None:
        """Not the head of the file, which is often sorted."""
        rows = numbered(200, 4)
        splits = split_examples(rows, fractions=HALVES, seed=0, limit=40, stratify=is_stratified)
        assert sum(sizes(splits)) == 40
        assert min(sizes(splits)[:3]) >= 5
        numbers = [int(e.fields["input"].split()[1]) for part in parts(splits) for e in part]
        assert max(numbers) > 100
        if is_stratified:
            labels = Counter(e.reference for part in parts(splits) for e in part)
            assert labels == {f"label {i}": 10 for i in range(4)}

    def test_a_limit_keeps_equal_inputs_together(self) -> None:
        """It is never passed, so some of it may stay unused."""
        splits = split_examples(examples([f"q{i // 3}" for i in range(90)]), fractions=HALVES, seed=0, limit=40)
        assert sum(sizes(splits)) == 39

    def test_a_limit_above_the_number_of_rows_changes_nothing(self) -> None:
        """It is a limit, not a size."""
        rows = numbered(40)
        assert split_examples(rows, fractions=HALVES, seed=0, limit=99) == split_examples(
            rows, fractions=HALVES, seed=0
        )


class TestStability:
    """What rows that come and go do to the others."""

    @pytest.mark.parametrize("seed", range(8))
    def test_rows_that_come_go_or_change_places_move_no_other(self, seed: int) -> None:
        """What two files share is for the same in both; so is what one file holds in two orders."""
        chance, rows = random.Random(seed), numbered(300)
        first, second = (chance.sample(rows, 150) for _ in range(2))
        thirds = {"train": 0.34, "validation": 0.33, "test": 0.33}
        before = purposes(split_examples(first, fractions=thirds, seed=seed))
        assert purposes(split_examples(sorted(first, key=lambda e: e.id), fractions=thirds, seed=seed)) == before
        after = purposes(split_examples(second, fractions=thirds, seed=seed))
        shared = before.keys() & after.keys()
        assert len(shared) > 50
        assert {q: before[q] for q in shared} == {q: after[q] for q in shared}

    def test_another_answer_to_a_question_moves_nothing(self) -> None:
        """Labels are corrected from night to night, and the same question comes again."""
        rows = numbered(100, 2)
        before = purposes(split_examples(rows, fractions=HALVES, seed=0))
        relabelled = examples([e.fields["input"] for e in [*rows, *rows[:9]]], ["other"] * 109)
        assert purposes(split_examples(relabelled, fractions=HALVES, seed=0)) == before

    @given(st.integers(0, 119), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_stratified_a_new_row_moves_one_of_its_label_across_each_border(self, new: int, seed: int) -> None:
        """From validation to test or back, and from train to validation or back."""
        rows = numbered(120, 3)
        old = [row for number, row in enumerate(rows) if number != new]
        before, after = (
            purposes(split_examples(some, fractions=HALVES, seed=seed, stratify=True)) for some in (old, rows)
        )
        moved = [e for e in old if before[e.fields["input"]] != after[e.fields["input"]]]
        assert len(moved) <= 2
        assert all(e.reference == rows[new].reference for e in moved)

    @given(st.integers(0, 199), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_under_a_limit_a_new_row_takes_the_place_of_one_other(self, new: int, seed: int) -> None:
        """If it is drawn; nothing else moves."""
        rows = numbered(200)
        old = [row for number, row in enumerate(rows) if number != new]
        before, after = (purposes(split_examples(some, fractions=HALVES, seed=seed, limit=80)) for some in (old, rows))
        assert len(before) == len(after) == 80
        assert len(before.keys() - after.keys()) <= 1
        assert all(after[q] == before[q] for q in before.keys() & after.keys())

    @given(st.integers(0, 59), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_a_new_row_exchanges_one_demonstration_at_most(self, new: int, seed: int) -> None:
        """As many are shown as before."""
        rows = numbered(120, 3)
        old = [row for number, row in enumerate(rows) if number != new]
        options: dict[str, Any] = {"fractions": HALVES, "seed": seed, "demonstration_candidates": 7}
        before, after = (split_examples(some, **options).demonstrations for some in (old, rows))
        assert len(before) == len(after) == 7
        assert len({e.id for e in before} - {e.id for e in after}) <= 1

    @given(st.integers(0, 79), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_a_new_row_moves_one_other_from_each_fold_to_the_next(self, new: int, seed: int) -> None:
        """Folds are few rows, so they stay of one size."""
        rows = numbered(80)
        old = [row for number, row in enumerate(rows) if number != new]
        fold_of: list[dict[str, int]] = []
        for some in (old, rows):
            proofs = fold_examples(some, folds=4, fractions=HALVES, seed=seed)[:-1]
            fold_of.append({row.id: number for number, proof in enumerate(proofs) for row in proof.test})
        before, after = fold_of
        moved = Counter((before.get(e.id, -1), after.get(e.id, -1)) for e in old if before.get(e.id) != after.get(e.id))
        assert all(abs(first - second) == count == 1 for (first, second), count in moved.items())


class TestFairness:
    """Which rows go where."""

    @given(st.lists(st.sampled_from("abcdefgh"), min_size=12, max_size=60), st.integers(0, 3), st.integers(0, 4))
    @settings(max_examples=60, deadline=None)
    def test_splits_partition_the_rows_and_share_no_question(
        self, inputs: list[str], seed: int, demonstrations: int
    ) -> None:
        """Whatever repeats."""
        rows = examples(inputs)
        try:
            splits = split_examples(rows, fractions=HALVES, seed=seed, demonstration_candidates=demonstrations)
        except ConfigError:
            assert len(set(inputs)) < 3 + demonstrations + 8
            return
        assert sorted(e.id for part in parts(splits) for e in part) == sorted(e.id for e in rows)
        questions = [{e.fields["input"] for e in part} for part in parts(splits)]
        assert sum(map(len, questions)) == len(set().union(*questions))

    @pytest.mark.parametrize("twin", ["What  is up?", "WHAT IS UP?", " what is up?\n", "ｗhat is up?"])
    def test_case_spacing_and_width_make_no_new_question(self, twin: str) -> None:
        """A model sees the same thing."""
        assert normalise_input(examples([twin])[0]) == normalise_input(examples(["What is up?"])[0])

    def test_without_an_input_column_all_fields_make_the_question(self) -> None:
        """Whatever they are called; and without fields the row does."""
        alpaca = [{"instruction": f"do {i}", "input": "", "c": "r"} for i in range(9)]
        made = built(alpaca, Columns(reference="c", placeholders=("instruction", "input")))
        assert len({normalise_input(example) for example in made}) == 9
        rows = [{"a": "x", "b": "1", "c": "r"}, {"a": "x", "b": "2", "c": "r"}]
        assert len({normalise_input(e) for e in built(rows, Columns(reference="c", placeholders=("a", "b")))}) == 2
        assert len({normalise_input(e) for e in built(rows, Columns(reference="c", placeholders=("a",)))}) == 1
        assert len({normalise_input(e) for e in built(rows, Columns(reference="c", placeholders=()))}) == 2

    def test_each_split_can_have_its_share_of_each_label(self) -> None:
        """Also of a rare one."""
        labels = ["rare"] * 8 + ["common"] * 152
        rows = examples([f"q{i}" for i in range(160)], labels)
        for seed in range(10):
            splits = split_examples(rows, fractions=HALVES, seed=seed, stratify=True)
            assert [sum(e.reference == "rare" for e in part) for part in parts(splits)[:3]] == [4, 2, 2]

    def test_without_being_asked_chance_decides(self) -> None:
        """And over some seeds it does so unevenly."""
        rows = examples([f"q{i}" for i in range(160)], ["rare"] * 8 + ["common"] * 152)
        counts = {
            sum(e.reference == "rare" for e in split_examples(rows, fractions=HALVES, seed=s).test) for s in range(10)
        }
        assert len(counts) > 1

    @pytest.mark.parametrize("is_stratified", [False, True])
    def test_what_a_question_asks_does_not_decide_where_it_goes(self, is_stratified: bool) -> None:
        """Whatever it is drawn for first: a sample and a fold's search divide as the whole does."""
        rows = numbered(4000, 2)
        drawn = split_examples(rows, fractions=HALVES, seed=0, limit=2000, stratify=is_stratified)
        assert len(drawn.train) == pytest.approx(1000, abs=110)  # five standard deviations
        first, *_ = fold_examples(rows, folds=2, fractions=HALVES, seed=0, stratify=is_stratified)
        assert len(first.train) / len(first.validation) == pytest.approx(2, abs=0.3)

    def test_the_same_seed_gives_the_same_splits_in_any_file_order(self) -> None:
        """And another seed gives others."""
        rows = numbered(60, 3)
        shuffled = random.Random(0).sample(rows, len(rows))
        first = split_examples(rows, fractions=HALVES, seed=7, demonstration_candidates=5)
        assert split_examples(shuffled, fractions=HALVES, seed=7, demonstration_candidates=5) == first
        assert split_examples(rows, fractions=HALVES, seed=8, demonstration_candidates=5) != first

    def test_rows_of_a_split_are_shuffled(self) -> None:
        """The first rows of a sorted file must not all carry one label."""
        splits = split_examples(numbered(200, 2), fractions=HALVES, seed=0)
        assert {e.reference for e in splits.train[:10]} == {"label 0", "label 1"}


class TestDemonstrations:
    """Rows to be shown."""

    def test_they_are_taken_out_of_train(self) -> None:
        """Validation and test stay as they are."""
        rows = numbered(80, 4)
        without = split_examples(rows, fractions=HALVES, seed=2)
        with_them = split_examples(rows, fractions=HALVES, seed=2, demonstration_candidates=8)
        assert len(with_them.demonstrations) == 8
        assert {e.id for e in with_them.train + with_them.demonstrations} == {e.id for e in without.train}
        assert (with_them.validation, with_them.test) == (without.validation, without.test)

    def test_labels_take_turns(self) -> None:
        """Eight examples of four labels: two each."""
        splits = split_examples(numbered(80, 4), fractions=HALVES, seed=2, demonstration_candidates=8)
        assert set(Counter(e.reference for e in splits.demonstrations).values()) == {2}

    def test_repeated_inputs_are_never_shown(self) -> None:
        """Their twins would be scored with the answer in the prompt."""
        rows = examples([f"q{i // 2}" for i in range(40)] + [f"single {i}" for i in range(20)])
        splits = split_examples(rows, fractions=HALVES, seed=0, demonstration_candidates=50)
        assert splits.demonstrations
        assert all(e.fields["input"].startswith("single") for e in splits.demonstrations)

    def test_some_train_rows_must_be_left(self) -> None:
        """The key to change is named."""
        with pytest.raises(ConfigError, match=r"prompt\.demonstrations\.candidates: 16 of \d+ train rows"):
            split_examples(numbered(20), fractions=HALVES, seed=0, demonstration_candidates=16)


class TestErrors:
    """Nothing is scored on nothing."""

    def test_an_empty_split_is_refused(self) -> None:
        """All the empty ones are named."""
        with pytest.raises(ConfigError, match=r"dataset\.splits: \w+ and \w+ would be empty: 1 different"):
            split_examples(examples(["q"] * 9), fractions=HALVES, seed=0)

    def test_a_column_that_says_the_same_everywhere_is_named(self) -> None:
        """Without it the other fields would tell rows apart; where they are no more, nothing is said of it."""
        rows = [{"task": "Sort.", "text": f"text {at}", "a": "x"} for at in range(60)]
        same = built(rows, Columns("task", "a", placeholders=("task", "text")))
        told = r"without dataset\.input all fields tell rows apart, and 60 differ"
        with pytest.raises(ConfigError, match=rf"1 different inputs are too few .*{told}"):
            split_examples(same, fractions=HALVES, seed=0)
        with pytest.raises(ConfigError, match=rf"got 3, but 1 different inputs .*{told}"):
            fold_examples(same, folds=3, fractions=HALVES, seed=0)
        with pytest.raises(ConfigError, match=r"\(more rows, or larger shares\)"):
            split_examples(examples(["q"] * 9), fractions=HALVES, seed=0)

    def test_a_share_of_nothing_is_refused(self) -> None:
        """A verdict needs test rows."""
        with pytest.raises(ConfigError, match="test would be empty"):
            split_examples(numbered(40), fractions={"train": 0.5, "validation": 0.5, "test": 0.0}, seed=0)


class TestThreeFiles:
    """Splits that the user made."""

    def test_they_are_kept(self) -> None:
        """Only demonstrations are set aside."""
        rows = numbered(30)
        files = {"train": rows[:20], "validation": rows[20:25], "test": rows[25:]}
        splits = split_examples(files, fractions={}, seed=0, demonstration_candidates=4)
        assert sizes(splits) == [16, 5, 5, 4]
        assert {e.id for e in splits.test} == {e.id for e in rows[25:]}

    def test_a_question_in_two_files_is_refused(self) -> None:
        """Both files are named, with the first question."""
        rows = numbered(30)
        files = {"train": rows[:20], "validation": rows[19:25], "test": rows[25:]}
        with pytest.raises(ConfigError, match=r"dataset\.files\.validation: 1 inputs .* in train too.*'question 19'"):
            split_examples(files, fractions={}, seed=0)

    def test_a_limit_holds_for_each_file(self) -> None:
        """None of them is emptied by the size of another."""
        rows = numbered(60)
        files = {"train": rows[:30], "validation": rows[30:45], "test": rows[45:]}
        assert sizes(split_examples(files, fractions={}, seed=0, limit=10)) == [10, 10, 10, 0]


class TestFolds:
    """Few rows, judged one fold after the other."""

    @given(st.integers(16, 120), st.integers(2, 8), st.integers(0, 4), st.sampled_from([1, 3]), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_a_fold_is_never_seen_before_it_is_judged(
        self, count: int, folds: int, shown: int, labels: int, seed: int
    ) -> None:
        """Every row but those of the first fold is judged once, by searches on earlier folds alone."""
        rows = numbered(count, labels)
        if (count - shown) // 4 < folds:
            with pytest.raises(ConfigError, match=r"dataset\.folds"):
                fold_examples(rows, folds=folds, fractions=HALVES, seed=seed, demonstration_candidates=shown)
            return
        *proofs, last = fold_examples(rows, folds=folds, fractions=HALVES, seed=seed, demonstration_candidates=shown)
        assert len(proofs) == folds - 1
        judged: set[str] = set()
        for fold in proofs:
            seen = {row.id for row in (*fold.train, *fold.validation)}
            tested = {row.id for row in fold.test}
            assert judged <= seen
            assert not tested & (seen | judged | {row.id for row in last.demonstrations})
            assert abs(len(tested) - (count - shown) / folds) < 2
            assert len(fold.train) > len(fold.validation) > 0
            judged |= tested
        assert {row.id for row in last.test} == judged
        assert {row.id for row in (*last.train, *last.validation, *last.demonstrations)} == {row.id for row in rows}

    def test_equal_inputs_stay_together(self) -> None:
        """A question that is there twice is never judged by a search that saw it."""
        rows = examples([f"question {i // 2}" for i in range(60)])
        for fold in fold_examples(rows, folds=4, fractions=HALVES, seed=0)[:-1]:
            assert not {normalise_input(row) for row in fold.test} & {
                normalise_input(row) for row in (*fold.train, *fold.validation)
            }

    def test_labels_can_have_their_share_in_each_fold(self) -> None:
        """As in any split."""
        folds = fold_examples(numbered(80, 2), folds=4, fractions=HALVES, seed=0, stratify=True)
        assert [Counter(row.reference for row in fold.test) for fold in folds[:-1]] == [
            {"label 0": 10, "label 1": 10}
        ] * 3


class TestDivisionHash:
    """What tells a run that its rows are no longer for the same."""

    def test_it_does_not_depend_on_the_order_of_the_file(self) -> None:
        """The division does not either."""
        rows = numbered(60)
        assert division_hash([split_examples(rows, fractions=HALVES, seed=0)]) == division_hash(
            [split_examples(rows[::-1], fractions=HALVES, seed=0)]
        )

    @pytest.mark.parametrize("changed", ["a row", "an answer", "the seed", "the shares"])
    def test_it_changes_with_what_a_row_is_for(self, changed: str) -> None:
        """And with the rows."""
        rows = numbered(60)
        before = division_hash([split_examples(rows, fractions=HALVES, seed=0)])
        if changed == "a row":
            rows = numbered(61)
        if changed == "an answer":
            rows = [*rows[1:], replace(rows[0], reference="other")]
        shares = {"train": 0.4, "validation": 0.35, "test": 0.25} if changed == "the shares" else HALVES
        assert division_hash([split_examples(rows, fractions=shares, seed=changed == "the seed")]) != before
