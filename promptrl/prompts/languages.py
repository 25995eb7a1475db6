"""Which language a prompt is written in, told by its commonest words and its script."""

import re
import unicodedata
from collections.abc import Iterable

_COMMON = {
    "en": "the of and to is in you that are with for this not your be it as or an if what which only from do",
    "de": "der die das und ist sie du nicht ein eine den dem des mit auf für wie nur oder wenn im zu bei nach aus von",
    "fr": "le la les des et est une vous tu dans pour pas que qui avec sur du au aux ce cette ou en si votre ton",
    "es": "el la los las y es una usted en para no que con del por se su al o si lo tu como este esta",
    "it": "il lo la gli e è una un di che per non con del della nel sei tu o se le i come questo questa solo",
    "pt": "o a os as e é uma um você em para não que com do da dos das no na por se ou seu sua como este esta",
    "nl": "de het een en is van je u niet met voor dat die op te in of als zijn naar uw alleen bij wat deze",
}
"""Words that a text of some sentences in the language can hardly do without."""
_ENOUGH = 2
"""Common words from which on a language is believed; in a text with fewer it is taken to be English."""


def language_of(texts: Iterable[str]) -> str | None:
    """``en``, ``de``, ``fr``, ``es``, ``it``, ``pt`` or ``nl``; None in a script other than the Latin.

    A text that says too little, or as much for English as for another language, is English.
    """
    text = " ".join(texts).lower()
    letters = [letter for letter in text if letter.isalpha()]
    if 2 * sum("LATIN" not in unicodedata.name(letter, "") for letter in letters) > len(letters):
        return None
    words = re.findall(r"\w+", text)
    found = {language: sum(word in common.split() for word in words) for language, common in _COMMON.items()}
    best = max(found, key=lambda language: found[language])
    return best if found[best] >= _ENOUGH else "en"
