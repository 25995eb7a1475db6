"""A surrogate's state: it says the same afterwards, goes on the same, and is refused when it is damaged."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest

from promptrl.errors import UsageError
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.state import decode_state, encode_state
from promptrl.search.surrogate.variances import Link
from tests.search.surrogate.factorial import ROW_IDS, everything, landscape, surrogate, taught

IDS = [str(p) for p in range(81)]


def learned(n: int = 130, **options: Any) -> Surrogate:
    """One with answers, chosen variances and a few answers that no fit has seen yet."""
    model = taught(surrogate(**options), landscape(np.random.default_rng(0)), n, np.random.default_rng(1))
    for row in range(3):
        model.add("late", everything()[40], row, 1.0)
    return model


def restored(model: Surrogate) -> Surrogate:
    """The same by way of a file's content."""
    return Surrogate.from_state(decode_state(encode_state(model.state()), "posterior.npz"))


def said(model: Surrogate) -> list[bytes]:
    """Everything that a surrogate says, to the last bit."""
    draws = model.draw(5, np.random.default_rng(3))
    means, sds = model.moments(everything(), [*IDS[:-1], "late"])
    parts = (means, sds, model.covariance(), draws.effects, draws.pairs, draws.parities, draws.intercept)
    return [part.tobytes() for part in parts]


@pytest.mark.parametrize("link", ["logit", "identity"])
@pytest.mark.parametrize("options", [{}, {"with_rows": False}, {"with_triples": False, "with_pairs": False}])
def test_a_restored_surrogate_says_the_same_to_the_last_bit(link: Link, options: dict[str, bool]) -> None:
    """Means, standard deviations, covariances and draws."""
    model = learned(link=link, **options)
    again = restored(model)
    assert said(again) == said(model)
    assert (again.variances, again.noise, again.n_answers) == (model.variances, model.noise, model.n_answers)


@pytest.mark.parametrize("link", ["logit", "identity"])
def test_a_restored_surrogate_goes_on_learning_to_the_same_digits(link: Link) -> None:
    """Through later answers and another choice of variances."""
    model = learned(link=link)
    again = restored(model)
    for each in (model, again):
        taught(each, landscape(np.random.default_rng(0)), 150, np.random.default_rng(5))
    assert said(again) == said(model)
    assert again.variances == model.variances


def test_a_surrogate_without_answers_is_restored() -> None:
    """Its prior is all that it says."""
    assert said(restored(surrogate())) == said(surrogate())


def test_a_state_is_no_part_of_the_surrogate_that_gave_it() -> None:
    """What is learned later does not change it."""
    model = learned()
    state, before = model.state(), said(model)
    taught(model, landscape(np.random.default_rng(0)), 100, np.random.default_rng(5))
    assert said(Surrogate.from_state(state)) == before != said(model)


def test_a_restored_surrogate_knows_its_rows_under_other_numbers() -> None:
    """Another split has them in another order, lacks half of them and has new ones: each keeps what it has learned."""
    model = learned()
    rows = (*reversed(ROW_IDS[: len(ROW_IDS) // 2]), "new", "newer")
    moved = Surrogate.from_state(model.state(), rows)
    np.testing.assert_allclose(moved.moments(everything(), IDS), model.moments(everything(), IDS), atol=1e-9)
    before, after = model.state(), moved.state()
    assert after.row_ids[: len(rows)] == rows
    assert set(after.row_ids) == {*ROW_IDS, "new", "newer"}
    assert [after.row_ids[row] for row in after.answers.row] == [before.row_ids[row] for row in before.answers.row]
    difficulty = dict(zip(after.row_ids, after.weights.difficulty, strict=True))
    assert difficulty == dict(zip(before.row_ids, before.weights.difficulty, strict=True)) | {"new": 0.0, "newer": 0.0}


def test_a_later_answer_is_of_the_row_that_has_the_number_now() -> None:
    """The same answers under two numberings of the rows teach the same."""
    model = learned()
    rows = ROW_IDS[::-1]
    moved = Surrogate.from_state(model.state(), rows)
    for row in range(6):
        model.add("later", everything()[7], row, float(row % 2))
        moved.add("later", everything()[7], rows.index(ROW_IDS[row]), float(row % 2))
    for each in (model, moved):
        each.fit()
    np.testing.assert_allclose(moved.mean(everything()), model.mean(everything()), atol=1e-6)
    np.testing.assert_allclose(moved.state().weights.difficulty, model.state().weights.difficulty[::-1], atol=1e-6)


def test_another_format_is_refused() -> None:
    """The message names the file, the format found and the one expected."""
    with np.load(BytesIO(encode_state(surrogate().state()))) as file:
        arrays = {name: file[name] for name in file.files}
    changed = BytesIO()
    np.savez(changed, **{**arrays, "format": np.array(2)})
    with pytest.raises(UsageError, match=r"old\.npz: got a surrogate's state of format 2, expected format 3"):
        decode_state(changed.getvalue(), "old.npz")


def test_a_damaged_state_is_refused() -> None:
    """Cut anywhere, or something else altogether."""
    content = encode_state(learned(30).state())
    npy = BytesIO()
    np.save(npy, np.zeros(3))
    cut = [content[:at] for at in range(0, len(content), len(content) // 20)]
    for wrong in (*cut, b"no such thing", npy.getvalue()):
        with pytest.raises(UsageError, match=r"posterior\.npz: not the state of a surrogate, or a damaged one"):
            decode_state(wrong, "posterior.npz")


def test_a_spoilt_byte_is_never_believed() -> None:
    """Three bytes changed anywhere: the file is refused, or they were bytes that say nothing (such as a date)."""
    content = encode_state(learned(30).state())
    refused = 0
    for at in range(0, len(content), 97):
        spoilt = content[:at] + bytes(255 - byte for byte in content[at : at + 3]) + content[at + 3 :]
        try:
            assert encode_state(decode_state(spoilt, "posterior.npz")) == content
        except UsageError:
            refused += 1
    assert refused > 20


def test_no_pickle_is_read() -> None:
    """An array of objects, which could run code, is refused."""
    file = BytesIO()
    np.savez(file, format=np.array({"a": 1}, dtype=object))
    with pytest.raises(UsageError, match="damaged"):
        decode_state(file.getvalue(), "posterior.npz")
