"""What keeps a bad proposal out before a call is spent on it: guards reject, with a reason, and repair nothing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from promptrl.prompts.edits.base import quoted, rough_tokens
from promptrl.prompts.notation import fillable_pieces
from promptrl.prompts.proposer.proposal import Part, Place, Proposal, place_of
from promptrl.prompts.proposer.row_words import RowWords, words_of
from promptrl.safe_text import canonical, printable

MOST_TOKENS = 60
ALIKE = 0.9
"""Share of its wording that a text has in common with another, from which on it is the same."""
_GRADING = re.compile(
    r"\b(?:grader|grading|evaluator|judge|scorer|auto-?rater)s?\b"
    r"|\b(?:full|maximum|max|top|highest|perfect)\s+(?:score|marks?|grade|rating|points|credit)\b"
    r"|\b(\d+)\s*(?:/|out of)\s*\1\b"
    r"|\b(?:mark|score|grade|rate|count|accept|treat)\s+(?:this|it|me|my|the|any|every|all)\b.{0,40}"
    r"\b(?:as\s+)?(?:correct|right|passed|passing|true)\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:previous|prior|above|earlier|other|all|these|your)\b.{0,30}"
    r"\b(?:instructions?|rules?|prompts?|directions?)\b"
    r"|\bsystem prompt\b",
    re.IGNORECASE | re.DOTALL,
)
"""What speaks to whoever scores an answer, or tries to do away with the rest of the prompt."""
_MARKER = re.compile(r"[-*+•]\s+")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a proposal is held against.

    Attributes:
        parts: Of the prompt that may be changed.
        own: What the user's prompt says, text by text: its words are allowed.
        rows: Of the data.
        rule: Name of the slot that a new rule would get.
        tried: Texts that were proposed before and rejected, or are kept beside the options.
        tokens_left: About how many tokens may still be added to the prompt; None = any number.
    """

    parts: tuple[Part, ...]
    own: tuple[str, ...]
    rows: RowWords
    rule: str
    tried: tuple[str, ...] = ()
    tokens_left: float | None = None

    def place(self, proposal: Proposal) -> Place | None:
        """Where a proposal would go."""
        return place_of(proposal, self.parts, self.rule)


Guard = Callable[[Proposal, Surroundings], str]
"""Why a proposal is rejected, in words that its proposer can learn from; empty when it passes."""


def broken_guards(proposal: Proposal, known: Surroundings) -> dict[str, str]:
    """The guards that reject a proposal, each with its reason; none for one that may be asked."""
    verdicts = ((name, guard(proposal, known)) for name, guard in GUARDS.items())
    return {name: reason for name, reason in verdicts if reason}


def _has_a_place(proposal: Proposal, known: Surroundings) -> str:
    place = known.place(proposal)
    if place is None:
        names = ", ".join(part.name for part in known.parts)
        return f"there is no part called {quoted(proposal.slot)} that may be changed" + (
            f"; there are {names}" if names else ""
        )
    if proposal.op == "remove" and not place.replaces:
        return f"{place.slot} is left out already"
    return ""


def _keeps_placeholders(proposal: Proposal, known: Surroundings) -> str:
    place = known.place(proposal)
    wanted = sorted(fillable_pieces(place.replaces)) if place and place.is_template else []
    found = sorted(fillable_pieces(proposal.text))
    if place and not place.is_template:
        found = [piece for piece in found if piece not in fillable_pieces(place.replaces)]
    if lost := [piece for piece in wanted if piece not in found]:
        return f"it has lost {', '.join(lost)}"
    if found != wanted:
        return f"it brings {', '.join(found)}, which nothing fills in there"
    return ""


def _copies_no_row(proposal: Proposal, known: Surroundings) -> str:
    if run := known.rows.copied_run(proposal.text, known.own):
        return f"{quoted(run)} is copied from a row"
    if answer := known.rows.copied_reference(proposal.text, known.own):
        return f"{quoted(answer)} is the known answer of a row"
    if name := known.rows.named_id(proposal.text):
        return f"{name} is the id of a row"
    return ""


def _copies_no_number(proposal: Proposal, known: Surroundings) -> str:
    number = known.rows.copied_number(proposal.text, known.own)
    return f"{number} is a number of a row and not of your prompt" if number else ""


def _is_new(proposal: Proposal, known: Surroundings) -> str:
    if not proposal.text:
        place = known.place(proposal)
        part = next((part for part in known.parts if place and part.name == place.slot), None)
        return f"{part.name} can be left out already" if part and "" in part.options else ""
    texts = [text for part in known.parts for text in part.options if text]
    found = next((text for text in (*texts, *known.tried) if are_alike(text, proposal.text)), None)
    return f"it says what {quoted(found)} says" if found is not None else ""


def _is_short(proposal: Proposal, known: Surroundings) -> str:
    place = known.place(proposal)
    most = max(MOST_TOKENS, rough_tokens(place.replaces) if place else 0)
    tokens = rough_tokens(proposal.text)
    return f"it has about {tokens:,.0f} tokens, expected at most {most:,.0f}" if tokens > most else ""


def _fits(proposal: Proposal, known: Surroundings) -> str:
    place = known.place(proposal)
    more = rough_tokens(proposal.text) - (rough_tokens(place.replaces) if place else 0)
    if known.tokens_left is None or more <= max(0.0, known.tokens_left):
        return ""
    return f"it adds about {more:,.0f} tokens, and {max(0.0, known.tokens_left):,.0f} are left"


def _is_plain(proposal: Proposal, known: Surroundings) -> str:
    if printable(proposal.text) != proposal.text or "\t" in proposal.text:
        return "it holds control characters, or characters that can't be seen"
    place = known.place(proposal)
    if len(proposal.text.splitlines()) > max(1, len(place.replaces.splitlines()) if place else 1):
        return "it has several lines, expected one"
    marker = _MARKER.match(place.replaces) if place else None
    if marker and proposal.text and not proposal.text.startswith(marker[0]):
        return f"it stands for an item of a list, so it must begin with {marker[0]!r}"
    return "it begins or ends with blanks" if proposal.text != proposal.text.strip() else ""


def _leaves_grading_alone(proposal: Proposal, known: Surroundings) -> str:
    for match in _GRADING.finditer(canonical(proposal.text)):
        if not any(match[0].casefold() in canonical(text).casefold() for text in known.own):
            return f"{quoted(match[0])} speaks to who scores the answer, or against the rest of the prompt"
    return ""


GUARDS: Mapping[str, Guard] = {
    "place": _has_a_place,
    "placeholders": _keeps_placeholders,
    "rows": _copies_no_row,
    "numbers": _copies_no_number,
    "repeats": _is_new,
    "length": _is_short,
    "prompt length": _fits,
    "characters": _is_plain,
    "grading": _leaves_grading_alone,
}
"""By the names under which they are recorded."""


@lru_cache(maxsize=4096)
def _in_words(text: str) -> tuple[str, tuple[str, ...]]:
    """The words of a text, in their order and sorted."""
    words = words_of(text)
    return " ".join(words), tuple(sorted(words))


def are_alike(first: str, second: str) -> bool:
    """Whether two texts say the same in nearly the same words; case, signs and blanks aside."""
    (one, words), (other, others) = _in_words(first), _in_words(second)
    if not one or not other:
        return first.split() == second.split()
    if words == others:
        return True
    if 2 * min(len(one), len(other)) < ALIKE * (len(one) + len(other)):  # no such ratio can be reached
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE


def without_repeats(proposals: Sequence[Proposal]) -> Iterator[tuple[Proposal, str]]:
    """Each proposal of one answer with the text of an earlier one that says the same; empty for none."""
    seen: list[str] = []
    for proposal in proposals:
        yield proposal, next((text for text in seen if proposal.text and are_alike(text, proposal.text)), "")
        seen.append(proposal.text)
