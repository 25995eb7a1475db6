"""Where the sentences of running text end: not after abbreviations, ordinals and initials, nor inside quotes.

The lists hold what prompts in European languages use before a capital or a digit. They are kept here rather than
taken from a library: a change of them is a change of the edits, so a run that is resumed must find the same ones.
"""

import re
from collections.abc import Callable, Iterator

_SENTENCE_END = re.compile(
    r"""(?<![.!?…؟۔।॥။])(?P<spaced>[.!?…؟۔।॥။]+["'”’“»›)\]*_]*)(?=\s+["'“‘„«‹(\[*_`¿¡]*(?P<next>[^\s"'“‘„«‹(\[*_`¿¡]\S*))
      | [。！？．｡]+["”’」』）】》]*  # full-width stops need no blank after them
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(
    r"`[^`]*`|\"[^\"]*\"|(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w))*'(?!\w)|„[^„“”]*[“”]|“[^“”]*”|«[^«»]*»|»[^«»]*«|‹[^‹›]*›|\([^()]*\)|（[^（）]*）|「[^「」]*」|『[^『』]*』|《[^《》]*》"
)
_BEFORE = r"(?:^|[\s(\[\"'“„«])"
_ABBREVIATION = re.compile(
    _BEFORE + r"(?:cf|vs|viz|approx|resp|incl|excl|mr|mrs|ms|dr|prof|sr|jr|st|inc|ltd|corp|dept|ph\.d|[mb]\.sc"
    r"|bzw|ca|evtl|ggf|vgl|sog|inkl|exkl|zzgl|abzgl|bspw|bsp|hr|hrn|fr|dipl|ing|tel|str|mio|mrd|tsd|nr|mind|max"
    r"|p\.\s?ex|env|mme|mlle|ej|núm|sra|srta|dra|pág|ecc|dott|sig|bijv|blz"
    r"|(?:[^\W\d_]\.\s?)+[^\W\d_])\.$",
    re.IGNORECASE,
)
_ABBREVIATION_OF_NUMBER = re.compile(
    _BEFORE + r"(?:nos?|figs?|eqs?|sec|ch|chap|vol|pp?|art|ex|app|min|max|v|ver"
    r"|nr|s|abs|abb|tab|kap|bd|ziff|ab|num|cap|ed|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
_LETTER_ALONE = re.compile(r"(?:^|[.!?]\s+)[^\W\d_]\.$")
_LETTER = re.compile(r"(?:^|[\s(\"„“«])[^\W\d_]\.$")
_LETTER_NEXT = re.compile(r"[^\W\d_]\.")
_MARK = re.compile(r"(?:^|[.!?:;,]\s+|\()\d{1,2}\.$")
_ORDINAL_AFTER = re.compile(
    r"(?:^|\W)(?:der|die|das|dem|den|des|im|vom|zum|zur|beim|(?<!\bi\s)am|jede[nrsm]?)\s+\d{1,4}\.$", re.IGNORECASE
)
_NUMBER = re.compile(r"(?:^|[\s(])\d{1,2}\.$")
_MONTH = re.compile(
    r"(?:Jan(?:uar|uary)?|Jänner|Feb(?:ruar|ruary)?|März|Apr(?:il)?|Mai|Jun[ie]?|Jul[iy]?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|O[kc]t(?:ober)?|Nov(?:ember)?|De[zc](?:ember)?)\b"
)
_ARROWS = ("->", "=>", "→", "⇒", "-->")
_LONGEST = 40
"""Characters before a stop that tell what it belongs to."""


def sentence_ends(text: str, is_held: Callable[[int], bool]) -> Iterator[int]:
    """Positions right after the stops, and the quotes that close with them, at which a sentence of this text ends.

    Args:
        text: Running text.
        is_held: Whether a position lies in something that is not to be cut.
    """
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        if is_held(end) or any(start < end < stop for start, stop in quoted):
            continue
        if match["spaced"] and _is_gap(text[: match.start()][-1:], match["spaced"]):
            continue
        if match["spaced"] and _is_inside_sentence(text[max(0, end - _LONGEST) : end], match["next"]):
            continue
        yield end


def _is_inside_sentence(so_far: str, following: str) -> bool:
    """Whether a stop ends no sentence: what follows goes on, or it belongs to an abbreviation or a number."""
    return (
        following[0].islower()
        or following.startswith(_ARROWS)
        or bool(_ABBREVIATION.search(so_far))
        or (following[0].isdigit() and bool(_ABBREVIATION_OF_NUMBER.search(so_far)))
        or bool(_LETTER_ALONE.search(so_far))
        or (bool(_LETTER.search(so_far)) and bool(_LETTER_NEXT.match(following)))
        or _is_mark(so_far)
        or bool(_ORDINAL_AFTER.search(so_far))
        or (bool(_NUMBER.search(so_far)) and bool(_MONTH.match(following)))
    )


def _is_gap(before: str, stops: str) -> bool:
    """Whether dots stand by themselves for something left out."""
    return (stops.startswith("...") or stops[0] == "…") and not before.strip()


def _is_mark(so_far: str) -> bool:
    """Whether it ends in the number of an item within a line, as in "Do: 1. Read. 2. Think."."""
    mark = _MARK.search(so_far)
    return bool(mark) and not _ABBREVIATION_OF_NUMBER.search(so_far[: mark.start() + 1] if mark else "")
