"""The training documents: a system prompt, turns of a conversation, and which turns the model learns from.

A document is made from a random generator only, so a seed fixes the corpus. ``render`` writes a document in the chat
format that the tokenizer's chat template gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from promptrl.nano import drills
from promptrl.nano.grammar import disturb, word
from promptrl.nano.inputs import WORDS, Input, Order, Task, is_held_out, make_input
from promptrl.nano.responses import (
    ALL_KEYS,
    LABELS,
    OTHER_LABELS,
    RECORD_KEYS,
    AnswerSpec,
    Form,
    Instruction,
    follow,
    read_instructions,
    respond,
)

SYSTEM, USER, ASSISTANT, END = "<|sys|>", "<|user|>", "<|bot|>", "<|end|>"
TASK_SHARES: dict[Task, int] = {"arithmetic": 28, "sentiment": 27, "extraction": 34, "last_letters": 11}
DRILL_SHARE = 0.22

LABEL_SETS = (
    *(LABELS,) * 6, *(OTHER_LABELS,) * 2, ("happy", "angry", "unsure"), ("yes", "no", "maybe"), ("up", "down", "flat"),
    ("like", "dislike", "both"), ("green", "red", "yellow"), ("win", "loss", "draw"), ("plus", "minus", "zero"),
    ("good", "poor", "fair"),
)  # fmt: skip
TAGS = (*("Answer",) * 8, "Result", "Final", "Output", "Total", "Solution")
FORM_SHARES: dict[Task, dict[str, int]] = {
    "arithmetic": {"tag": 6, "only_arithmetic": 2, "sentence": 2, "json": 1},
    "sentiment": {"tag": 6, "only": 2, "sentence": 2, "json": 1},
    "extraction": {"json": 7, "kv": 2, "csv": 1, "sentence": 2, "tag": 1},
    "last_letters": {"tag": 4, "only": 1, "sentence": 2, "json": 1},
}
HEADINGS: dict[Task, tuple[str, ...]] = {
    "arithmetic": ("Question: ", "Problem: ", "Q: ", "Input: "),
    "sentiment": ("Text: ", "Customer: ", "Comment: ", "Input: "),
    "extraction": ("Message: ", "Order: ", "Text: ", "Input: "),
    "last_letters": ("Words: ", "List: ", "Input: "),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer; ``learn`` says whether training predicts the answer."""

    user: str
    assistant: str
    learn: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """One training conversation: an instruction (perhaps empty) and turns, of which the assistant's are learned."""

    system: str
    turns: tuple[Turn, ...]


def render(system: str, turns: Sequence[Turn]) -> list[tuple[str, bool]]:
    """Write a conversation as (text, learn) pieces; their texts joined are the chat format."""
    pieces = [(SYSTEM + (f" {system}" if system else ""), False)]
    for turn in turns:
        pieces += [(f"{USER} {turn.user}{ASSISTANT}", False), (f" {turn.assistant}{END}", turn.learn)]
    return pieces


def make_document(rng: Random) -> Document:
    """Make one document: a drill, a conversation, or demonstrations and a question."""
    if rng.random() < DRILL_SHARE:
        system, pairs = drills.make_drill(rng)
        return Document(system, tuple(Turn(user, assistant) for user, assistant in pairs))
    task = rng.choices(list(TASK_SHARES), list(TASK_SHARES.values()))[0]
    instructions = sample_instructions(task, rng)
    request = read_instructions(instructions)
    prompt = word_prompt(instructions, rng)
    heading = rng.choice(HEADINGS[task]) if rng.random() < 0.1 else ""
    if rng.random() < 0.62:
        turns = [_turn(request, heading, task, rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    else:
        shown = sample_shown(task, request, rng)
        turns = [replace(_turn(shown, heading, task, rng), learn=False) for _ in range(rng.choice((1, 2, 2, 3, 4, 4)))]
        turns.append(_turn(follow(request, shown), heading, task, rng))
    if prompt and rng.random() < 0.1:
        joint = rng.choice(("\n", " ", "\n\n"))
        return Document("", tuple(replace(turn, user=f"{prompt}{joint}{turn.user}") for turn in turns))
    return Document(prompt, tuple(turns))


def _turn(request: AnswerSpec, heading: str, task: Task, rng: Random) -> Turn:
    x = make_seen_input(task, rng)
    return Turn(heading + x.text, respond(request, x))


def make_seen_input(task: Task, rng: Random) -> Input:
    """Make an input that is not held out; orders with a correction are shown more often than they occur."""
    want_correction = task == "extraction" and rng.random() < 0.5
    while True:
        x = make_input(task, rng)
        if not is_held_out(x.text) and not (want_correction and isinstance(x, Order) and not x.is_corrected):
            return x


def sample_instructions(task: Task, rng: Random) -> list[Instruction]:
    """Draw what a system prompt asks for, from nothing at all to one instruction of every kind."""
    density = rng.choice((0.0, 0.4, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4))

    def on(share: float) -> bool:
        return rng.random() < share * density

    chosen: list[Instruction] = []
    if on(0.45):
        role = rng.choice(("helper", "helper", "expert", "expert", "friendly", "teacher", "pirate"))
        chosen.append(Instruction(f"role_{role}"))
    if on(0.7):
        operation = rng.choice(("last", "last", "last", "first", "reverse", "sort", "repeat"))
        chosen.append(Instruction(f"task_{operation if task == 'last_letters' else task}"))
    chosen += _task_instructions(task, on, rng)
    if on(0.5 if task in ("arithmetic", "sentiment") else 0.12):
        own = task in ("arithmetic", "sentiment") and rng.random() < 0.5
        chosen.append(Instruction(f"steps_{task}" if own else "steps"))
    if on(0.62):
        shares = FORM_SHARES[task]
        form = rng.choices(list(shares), list(shares.values()))[0]
        chosen.append(Instruction(form, (rng.choice(TAGS),) if form == "tag" else ()))
    for effect, share in (("polite", 0.12), ("explain", 0.1), ("check", 0.1), ("terse", 0.17), ("noise", 0.25)):
        if on(share):
            chosen.append(Instruction(effect))
    if rng.random() < 0.35:
        rng.shuffle(chosen)
    return chosen


def _task_instructions(task: Task, on: drills.Chance, rng: Random) -> list[Instruction]:
    chosen: list[Instruction] = []
    if task == "arithmetic" and on(0.45):
        chosen.append(Instruction("no_unit"))
    if task == "sentiment" and on(0.6):
        labels = rng.choice(LABEL_SETS)
        if rng.random() < 0.2:
            chosen.append(Instruction("label_map", tuple(rng.sample(WORDS, 3)) if rng.random() < 0.5 else labels))
        else:
            chosen.append(Instruction("labels", labels))
    if task == "extraction":
        if on(0.6):
            keys = RECORD_KEYS if rng.random() < 0.4 else tuple(rng.sample(ALL_KEYS, rng.choice((1, 2, 3, 3, 4, 5))))
            chosen.append(Instruction("fields", keys))
        if on(0.42):
            chosen.append(Instruction(rng.choice(("digits", "digits", "digits", "spelled"))))
        if on(0.6):
            chosen.append(Instruction("corrected"))
    if task == "last_letters" and on(0.55):
        separator = rng.choice(("separate_space", "separate_space", "separate_comma", "separate_hyphen"))
        chosen.append(Instruction(separator))
    return chosen


def sample_shown(task: Task, request: AnswerSpec, rng: Random) -> AnswerSpec:
    """Draw the request that demonstrations answer: half of the time the bare gold answer of the data set."""
    plain_form: Form = "json" if task == "extraction" else "only"
    if rng.random() < 0.5:
        shown = AnswerSpec(
            form=plain_form, labels=LABELS, keys=RECORD_KEYS, operation="last", separator=" ", steps=False
        )
    else:
        shown = read_instructions(sample_instructions(task, rng))
        form = shown.form or ("tag" if shown.steps else plain_form)
        shown = replace(shown, form=form, labels=shown.labels or LABELS, keys=shown.keys or RECORD_KEYS)
        shown = replace(shown, operation=shown.operation or "last", separator=shown.separator or " ")
    if task == "last_letters" and request.operation:
        shown = replace(shown, operation=request.operation)
    shown = replace(shown, steps=bool(shown.steps), no_unit=True, digits=True, corrected=True)
    return replace(shown, task=True, manner=None, explain=False, check=False)


def word_prompt(instructions: Sequence[Instruction], rng: Random, held_out: bool = False) -> str:
    """Word instructions as a system prompt, a third of them slightly disturbed."""
    texts = []
    for instruction in instructions:
        text = word(instruction.effect, rng, held_out, **_values(instruction, rng))
        texts.append(disturb(text, rng) if not held_out and rng.random() < 0.3 else text)
    return rng.choice((" ", " ", " ", "\n")).join(texts)


def _values(instruction: Instruction, rng: Random) -> dict[str, str]:
    effect, value = instruction.effect, instruction.value
    if effect == "tag":
        return {"T": value[0]}
    if effect == "labels":
        return dict(zip("abc", rng.sample(value, 3) if rng.random() < 0.6 else value, strict=True))
    if effect == "label_map":
        return dict(zip("pnu", value, strict=True))
    if effect == "fields":
        joint = rng.choice((" and ", ", ", ", and "))
        return {"k": ", ".join(value[:-1]) + joint + value[-1] if len(value) > 1 else value[0]}
    return cast(dict[str, str], {})
