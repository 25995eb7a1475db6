"""What a space gained is written down before it is used, and comes again at the same call."""

from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import RunLockedError, UsageError
from promptrl.prompts.building import make_slot_space
from promptrl.runs.growth_file import GrowthFile
from promptrl.search.growth import Grow, Growth, GrowthRequest

SPACE = make_slot_space({"role": ["You help.", "You sort."], "format": ["Words.", "Letters."]}, "{question}")
FIRST = Growth({"role": ("You are a “clerk”.", "")})
SECOND = Growth({"format": ("Digits.",), "mood": ("Warm “as ever”.",)})
THIRD = Growth({"role": ("You label.",)})


def at(calls_used: int, *, is_exhausted: bool = False) -> GrowthRequest:
    """A search that has spent so many calls."""
    return GrowthRequest(calls_used, (), is_exhausted)


def scripted(growths: dict[int, Growth]) -> tuple[Grow, list[int]]:
    """Grows at some calls, and counts how often it was asked."""
    asked: list[int] = []

    def grow(request: GrowthRequest) -> Growth | None:
        asked.append(request.calls_used)
        return growths.get(request.calls_used)

    return grow, asked


def test_growth_comes_again_at_the_same_calls(tmp_path: Path) -> None:
    """Nobody is asked again before the last call that grew; then whoever is there is."""
    grow, asked = scripted({32: FIRST, 64: SECOND})
    begun = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert begun is not None
    assert [begun(at(calls)) for calls in (16, 32, 48, 64)] == [None, FIRST, None, SECOND]
    again, asked_again = scripted({80: THIRD})
    resumed = GrowthFile(tmp_path).next_search(SPACE, again)
    assert resumed is not None
    assert [resumed(at(calls)) for calls in (16, 32, 48, 64, 80)] == [None, FIRST, None, SECOND, THIRD]
    assert (asked, asked_again) == ([16, 32, 48, 64], [80])


def test_growth_is_replayed_without_whoever_brought_it(tmp_path: Path) -> None:
    """And adds nothing more."""
    grow, _ = scripted({32: FIRST})
    begun = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert begun is not None
    begun(at(32))
    resumed = GrowthFile(tmp_path).next_search(SPACE, None)
    assert resumed is not None
    assert [resumed(at(calls)) for calls in (16, 32, 48)] == [None, FIRST, None]


def test_each_search_of_a_run_has_its_own_growth(tmp_path: Path) -> None:
    """They are counted in their order; one that neither grew nor is to grow has none."""
    begun = GrowthFile(tmp_path)
    searches = [begun.next_search(SPACE, scripted({32: growth})[0]) for growth in (FIRST, SECOND)]
    for search in reversed(searches):
        assert search is not None
        search(at(32))
    resumed = GrowthFile(tmp_path)
    again = [resumed.next_search(SPACE, None) for _ in range(3)]
    assert [search(at(32)) if search else None for search in again] == [FIRST, SECOND, None]
    assert again[2] is None


def test_a_torn_line_was_never_used(tmp_path: Path) -> None:
    """Its writer died before the search went on: it is cut off, and the next line is whole."""
    grow, _ = scripted({32: FIRST, 48: SECOND})
    begun = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert begun is not None
    begun(at(32))
    path = tmp_path / "growth.jsonl"
    path.write_bytes(path.read_bytes() + b'{"search": 0, "calls_us')
    resumed = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert resumed is not None
    assert [resumed(at(calls)) for calls in (32, 48)] == [FIRST, SECOND]
    assert len(path.read_text().splitlines()) == 2


def test_a_search_that_takes_another_course_is_stopped(tmp_path: Path) -> None:
    """It would go on in another space than the one it was paid for."""
    grow, _ = scripted({32: FIRST})
    begun = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert begun is not None
    begun(at(32))
    resumed = GrowthFile(tmp_path).next_search(SPACE, None)
    assert resumed is not None
    with pytest.raises(RunLockedError, match="passed call 32 without the growth that came there"):
        resumed(at(40))


def test_growth_that_the_space_can_t_take_is_not_written_down(tmp_path: Path) -> None:
    """The error names who brought it, and a resumed run is not stopped by it for ever."""
    grow, _ = scripted({32: Growth({"role": ("You sort.",)})})
    search = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert search is not None
    with pytest.raises(UsageError, match=r"what `grow` returned: slots\.role\.2: is the same text as option 1"):
        search(at(32))
    assert not (tmp_path / "growth.jsonl").exists()


def test_what_came_before_counts_for_what_may_come(tmp_path: Path) -> None:
    """Also where it was replayed: the same option twice is refused."""
    grow, _ = scripted({32: SECOND, 48: SECOND})
    search = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert search is not None
    search(at(32))
    resumed = GrowthFile(tmp_path).next_search(SPACE, grow)
    assert resumed is not None
    resumed(at(32))
    for again in (search, resumed):
        with pytest.raises(UsageError, match="same text"):
            again(at(48))


def test_growth_of_an_exhausted_search_waits_until_it_is_exhausted_again(tmp_path: Path) -> None:
    """At the same calls: the search had proposed something in between, and would take another course."""
    begun = GrowthFile(tmp_path).next_search(SPACE, lambda request: FIRST if request.is_exhausted else None)
    assert begun is not None
    course = [at(32), at(32, is_exhausted=True)]
    assert [begun(request) for request in course] == [None, FIRST]
    resumed = GrowthFile(tmp_path).next_search(SPACE, None)
    assert resumed is not None
    assert [resumed(request) for request in course] == [None, FIRST]


@pytest.mark.parametrize("returned", [{"role": ("You label.",)}, ("You label.",), True])
def test_what_is_no_growth_is_refused(tmp_path: Path, returned: object) -> None:
    """The error names the function and what it gave."""
    search = GrowthFile(tmp_path).next_search(SPACE, lambda request: returned)  # type: ignore[arg-type, return-value] - what a user may write
    assert search is not None
    with pytest.raises(UsageError, match=r"`grow` returned (dict|tuple|bool), expected a promptrl\.Growth or None"):
        search(at(32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tone": "Be polite."}, r"got 'Be polite\.', expected \('Be polite\.',\)"),
        ({"tone": (3,)}, r"slot 'tone' got \(3,\)"),
        ({"tone": 3}, "slot 'tone' got 3"),
        ({3: ("Be polite.",)}, "slots by name: got 3"),
        (["Be polite."], "a mapping of slots to options"),
        ({"tone": ("\ud800",)}, "half of a surrogate pair"),
    ],
)
def test_what_are_no_options_is_refused(options: Any, message: str) -> None:
    """A text would be split into its letters, half a character can't be sent."""
    with pytest.raises(UsageError, match=message):
        Growth(options)
