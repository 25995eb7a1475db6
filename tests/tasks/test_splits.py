"""Splits are seeded, fair, of the right size, and no question stands in two of them."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.tasks.data_file import DataFile
from promptrl.tasks.dataset import Columns, Example, build_examples
from promptrl.tasks.splits import Splits, fold_examples, normalise_input, split_examples

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


class TestSizes:
    """How many rows each split has."""

    @given(
        st.integers(12, 300),
        st.sampled_from([(0.5, 0.25, 0.25), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.2, 0.2, 0.1)]),
        st.sampled_from([1, 2, 5]),
        st.integers(0, 5),
    )
    @settings(max_examples=60, deadline=None)
    def test_they_are_exact_when_inputs_are_distinct(
        self, count: int, shares: tuple[float, float, float], labels: int, seed: int
    ) -> None:
        """Less than one row from the share, stratified or not; what no share covers is left out."""
        fractions = dict(zip(("train", "validation", "test"), shares, strict=True))
        splits = split_examples(numbered(count, labels), fractions=fractions, seed=seed)
        for part, share in zip(parts(splits), shares, strict=False):
            assert abs(len(part) - share * count) < 1

    def test_groups_move_sizes_no_further_than_they_must(self) -> None:
        """Ten groups of four, sixty single rows: the singles make up for the groups."""
        inputs = [f"group {i // 4}" for i in range(40)] + [f"single {i}" for i in range(60)]
        assert sizes(split_examples(examples(inputs), fractions=HALVES, seed=3)) == [50, 25, 25, 0]

    @pytest.mark.parametrize("labels", [1, 4])
    def test_a_limit_draws_a_sample(self, labels: int) -> None:
        """Not the head of the file, which is often sorted."""
        splits = split_examples(numbered(200, labels), fractions=HALVES, seed=0, limit=40)
        assert sizes(splits) == [20, 10, 10, 0]
        numbers = [int(e.fields["input"].split()[1]) for part in parts(splits) for e in part]
        assert max(numbers) > 100
        assert Counter(e.reference for part in parts(splits) for e in part) == {
            f"label {i}": 40 // labels for i in range(labels)
        }

    def test_a_limit_above_the_number_of_rows_changes_nothing(self) -> None:
        """It is a limit, not a size."""
        rows = numbered(40)
        assert split_examples(rows, fractions=HALVES, seed=0, limit=99) == split_examples(
            rows, fractions=HALVES, seed=0
        )


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

    def test_each_split_has_its_share_of_each_label(self) -> None:
        """Also of a rare one."""
        labels = ["rare"] * 8 + ["common"] * 152
        splits = split_examples(examples([f"q{i}" for i in range(160)], labels), fractions=HALVES, seed=1)
        assert [sum(e.reference == "rare" for e in part) for part in parts(splits)[:3]] == [4, 2, 2]

    def test_stratification_can_be_switched_off(self) -> None:
        """Then chance decides, and over some seeds it does so unevenly."""
        rows = examples([f"q{i}" for i in range(160)], ["rare"] * 8 + ["common"] * 152)
        counts = {
            sum(e.reference == "rare" for e in split_examples(rows, fractions=HALVES, seed=s, stratify=False).test)
            for s in range(10)
        }
        assert len(counts) > 1

    def test_many_distinct_answers_are_no_labels(self) -> None:
        """Free text is split at random."""
        rows = examples([f"q{i}" for i in range(40)], [f"answer {i}" for i in range(40)])
        assert sizes(split_examples(rows, fractions=HALVES, seed=0)) == [20, 10, 10, 0]

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
        assert sizes(with_them) == [32, 20, 20, 8]
        assert {e.id for e in with_them.train + with_them.demonstrations} == {e.id for e in without.train}
        assert with_them.test == without.test

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
        with pytest.raises(ConfigError, match=r"prompt\.demonstrations\.candidates: 16 of 10 train rows"):
            split_examples(numbered(20), fractions=HALVES, seed=0, demonstration_candidates=16)


class TestErrors:
    """Nothing is scored on nothing."""

    def test_an_empty_split_is_refused(self) -> None:
        """All the empty ones are named."""
        with pytest.raises(ConfigError, match=r"dataset\.splits: validation and test would be empty: 1 different"):
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

    def test_labels_have_their_share_in_each_fold(self) -> None:
        """As in any split."""
        folds = fold_examples(numbered(80, 2), folds=4, fractions=HALVES, seed=0)
        assert [Counter(row.reference for row in fold.test) for fold in folds[:-1]] == [
            {"label 0": 10, "label 1": 10}
        ] * 3
