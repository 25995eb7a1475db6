"""How every metric reads words: the same text, however a keyboard, a model or a typesetter wrote it, is the same."""

import re
import string
import unicodedata
from functools import lru_cache

from promptrl.safe_text import canonical

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7ff\uf900-\ufaff"  # CJK
    "\U00020000-\U0003ffff"
)
"""Scripts in which words may touch, or carry particles, as a range of a regular expression."""

_INVISIBLE = frozenset((0x34F, 0x115F, 0x1160, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
"""Besides format characters (soft hyphen, zero-width space, direction marks): joiners, fillers, variation selectors."""
_ONE_SIGN_FOR = str.maketrans(
    dict.fromkeys("‐‑‒–−", "-") | dict.fromkeys("‘’‚‛‹›ʼ′´", "'") | dict.fromkeys("“”„‟«»″", '"')
)
"""Typographic signs by those of a keyboard, as far as NFKC does not do that."""
_KEPT_PUNCTUATION = frozenset("#%&@/\\-")
"""Part of a word rather than of a sentence: C#, 5 %, A-, R&D."""
_QUOTES = " \"'`「」『』"
_STARTS = _QUOTES + "¿¡"
_ENDS = _QUOTES + ".,;:!?。、"
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NUMBER_SIGN = re.compile(r"(?<=\d)\.(?=\d)|(?<!\S)-(?=\d)")
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def clean(text: str) -> str:
    """The text in canonical Unicode, with plain digits, quotes and hyphens, and without invisible characters.

    A ligature, a full-width letter and an accent that is a character of its own become what they look like. A text of
    nothing but invisible characters keeps them.
    """
    if text.isascii():
        return text
    visible = without_invisible(text)
    visible = visible if visible.strip() else text
    return "".join(map(_plain, canonical(visible.translate(_ONE_SIGN_FOR))))


def without_invisible(text: str) -> str:
    """The text without format characters, joiners, fillers and variation selectors."""
    return "".join(character for character in text if not _is_invisible(character))


def fold(text: str) -> str:
    """The text without letter case, in canonical Unicode."""
    return text.lower() if text.isascii() else canonical(text.casefold())


def normalise_words(text: str, *, ignore_case: bool, ignore_punctuation: bool = False) -> str:
    """The cleaned text with single spaces; without case and without punctuation around words if told so.

    Punctuation inside a word stays (3.5 is not 35), as do the signs that make another word of it (C#, A-, 5%). A text
    of punctuation alone keeps it.
    """
    words = clean(text).split()
    if ignore_punctuation:
        words = [word for word in map(_without_outer_punctuation, words) if word.strip("-")] or words
    joined = " ".join(words)
    return fold(joined) if ignore_case else joined


def without_quotes(text: str) -> str:
    """A cleaned text without quotes and emphasis around it, and the marks that end a sentence; one alone keeps them."""
    bare = text.lstrip(_STARTS).rstrip(_ENDS)
    while len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "*_":
        bare = bare[1:-1].lstrip(_STARTS).rstrip(_ENDS)
    return bare or text


def split_words(text: str) -> list[str]:
    """The words of a text, without case and punctuation around them; single characters where no spaces part words."""
    return _TOKEN.findall(normalise_words(text, ignore_case=True, ignore_punctuation=True))


def content_words(text: str) -> list[str]:
    """The words that SQuAD's F1 counts (Rajpurkar et al., 2016): without case, punctuation and articles.

    Scripts that put no spaces between words are counted by character, as MLQA (Lewis et al., 2020) and KorQuAD do.
    Other than there a decimal point and a minus sign stay (3.5 is not 35), and a text of punctuation alone keeps it.
    """
    folded = fold(clean(text))
    signs = {match.start() for match in _NUMBER_SIGN.finditer(folded)}
    bare = "".join(c for i, c in enumerate(folded) if i in signs or not _is_punctuation(c))
    return _TOKEN.findall(_ARTICLES.sub(" ", bare if bare.strip() else folded))


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or ord(character) in _INVISIBLE


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """The ASCII digit for one of another script."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


@lru_cache(maxsize=4096)
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _without_outer_punctuation(word: str) -> str:
    start, end = 0, len(word)
    while start < end and _is_outer_punctuation(word[start]):
        start += 1
    while start < end and _is_outer_punctuation(word[end - 1]):
        end -= 1
    return word[start:end]


def _is_outer_punctuation(character: str) -> bool:
    is_punctuation = unicodedata.category(character).startswith("P") and character not in _KEPT_PUNCTUATION
    return is_punctuation or character == "`"
