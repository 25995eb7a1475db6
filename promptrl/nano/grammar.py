"""The wordings of instructions: for every effect an instruction can have, the sentences that ask for it.

``[a|b]`` stands for a choice, ``{T}`` and the like for a value. A tenth of all expansions, chosen by hash, is never
shown in training, so that paraphrases can be tested; on top of that a sentence may lose a small word, get a synonym or
lose its capital and full stop, so that wordings from outside the grammar still work.
"""

import re
from functools import cache
from pathlib import Path
from random import Random

from promptrl.nano.inputs import is_held_out


@cache
def wordings() -> dict[str, tuple[str, ...]]:
    """Read the templates of every effect from ``wordings.txt``."""
    found: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "wordings.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            effect = line.removeprefix("== ")
            found[effect] = []
        elif line and not line.startswith("#"):
            found[effect].append(line)
    return {effect: tuple(templates) for effect, templates in found.items()}


SMALL_WORDS = frozenset(("the", "a", "an", "your", "please", "each", "all", "and", "of", "in", "to", "it"))
SYNONYMS = {
    "write": ("print", "put", "type"),
    "give": ("provide", "state"),
    "answer": ("response", "reply"),
    "use": ("apply", "employ"),
    "text": ("passage", "content"),
    "review": ("feedback", "opinion"),
    "message": ("note", "mail"),
    "problem": ("puzzle", "exercise"),
    "find": ("determine", "work out"),
    "with": ("using",),
    "must": ("has to", "should", "needs to"),
    "each": ("every", "each single"),
    "customer": ("client", "buyer"),
    "label": ("class", "tag"),
    "number": ("figure", "value"),
    "step": ("stage", "step"),
    "before": ("prior to",),
    "word": ("term",),
    "list": ("name", "note"),
    "show": ("present", "display"),
    "only": ("just", "solely"),
    "output": ("response", "reply"),
    "end": ("finish", "close"),
    "reasoning": ("thinking", "thoughts"),
    "values": ("entries",),
}
FILLERS = ("please", "always", "now", "simply", "here", "then", "also", "clearly")


def expand(template: str, rng: Random) -> str:
    """Take one alternative of every ``[a|b]``, innermost first, and tidy the spaces."""
    while match := re.search(r"\[([^\[\]]*)\]", template):
        choice = rng.choice(match.group(1).split("|"))
        template = template[: match.start()] + choice + template[match.end() :]
    return re.sub(r" +([.?!,:])(?= |$)", r"\1", re.sub(r"  +", " ", template)).strip()


def word(effect: str, rng: Random, held_out: bool = False, **values: str) -> str:
    """Word an instruction with this effect in a way that training shows, or in one that it never shows.

    Raises:
        LookupError: No wording of the wanted kind was found in 400 tries.
    """
    for _ in range(400):
        text = expand(rng.choice(wordings()[effect]), rng)
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        text = text[0].upper() + text[1:]
        if is_held_out(text) == held_out:
            return text
    raise LookupError(f"no wording of {effect!r} with held_out={held_out}")


def disturb(text: str, rng: Random) -> str:
    """Change a small word of an instruction without changing what it asks for; text in quotes stays."""
    quoted = text.count('"') > 0
    kind = rng.choice(("drop", "synonym", "synonym", "filler", "plain", "exclaim"))
    words = text.split(" ")
    if kind == "drop":
        spots = [i for i, w in enumerate(words) if w.lower() in SMALL_WORDS]
        if spots and len(words) > 3 and not quoted:
            del words[rng.choice(spots)]
    elif kind == "synonym":
        spots = [i for i, w in enumerate(words) if w.lower() in SYNONYMS]
        if spots:
            i = rng.choice(spots)
            words[i] = rng.choice(SYNONYMS[words[i].lower()])
    elif kind == "filler":
        words = [rng.choice(FILLERS), words[0].lower(), *words[1:]]
    elif kind == "plain":
        return text[0].lower() + text[1:].removesuffix(".")
    elif text.endswith("."):
        return text[:-1] + "!"
    text = " ".join(words)
    return text[0].upper() + text[1:]
