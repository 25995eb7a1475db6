"""The author whose answers nano learns: an ``AnswerSpec`` and an input give one answer, always a true one.

Three sources fill a request, the first that speaks wins: the instructions, the demonstrations, the author's defaults.
Among instructions that contradict each other the later one wins. Demonstrations are followed in the form of the answer,
not in what no single answer can show: manner, units, number words and corrections. The defaults depend on the wording
of the input, so that a prompt which says little is right on a part of the inputs, and each further right instruction
wins another part.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast

from promptrl.nano.inputs import NUMBER_WORDS, Input, Order, Review, Sum, WordList

Form = Literal["tag", "only", "sentence", "json", "kv", "csv"]
Operation = Literal["last", "first", "reverse", "repeat", "sort"]

LABELS = ("positive", "negative", "neutral")
OTHER_LABELS = ("good", "bad", "mixed")
RECORD_KEYS = ("name", "item", "quantity", "city")
ALL_KEYS = (*RECORD_KEYS, "day")
SEPARATORS = {"separate_space": " ", "separate_comma": ", ", "separate_hyphen": "-"}
PREFIXES = {"polite": "Sure! ", "pirate": "Arr! "}
SUFFIXES = {"polite": " Happy to help 24/7!", "pirate": " Yo ho!"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One thing a system prompt asks for: an effect of ``wordings.txt`` and its value (tag, labels or keys)."""

    effect: str
    value: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """What the author was asked; None means that nothing was said."""

    task: bool = False
    steps: bool | None = None
    form: Form | None = None
    tag: str = "Answer"
    manner: Literal["polite", "pirate"] | None = None
    brief: bool = False
    explain: bool = False
    check: bool = False
    no_unit: bool = False
    labels: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    digits: bool | None = None
    corrected: bool = False
    operation: Operation | None = None
    separator: str | None = None


def read_instructions(instructions: list[Instruction]) -> AnswerSpec:
    """Read instructions in their order into a request."""
    request = AnswerSpec()
    for instruction in instructions:
        request = _obey(request, instruction)
    return request


def _obey(request: AnswerSpec, instruction: Instruction) -> AnswerSpec:
    effect, value = instruction.effect, instruction.value
    if effect.startswith("task_"):
        operation = effect.removeprefix("task_")
        if operation in ("last", "first", "reverse", "repeat", "sort"):
            return replace(request, task=True, operation=cast(Operation, operation))
        return replace(request, task=True)
    if effect.startswith("steps"):
        return replace(request, steps=True)
    if effect in SEPARATORS:
        return replace(request, separator=SEPARATORS[effect])
    match effect:
        case "role_friendly" | "polite":
            return replace(request, manner="polite")
        case "role_pirate":
            return replace(request, manner="pirate")
        case "role_teacher" | "explain":
            return replace(request, explain=True)
        case "check":
            return replace(request, check=True)
        case "terse":
            form = None if request.form == "sentence" else request.form
            return replace(request, brief=True, steps=False, form=form, manner=None, explain=False, check=False)
        case "only" | "only_arithmetic":
            return replace(request, form="only", steps=False)
        case "tag":
            return replace(request, form="tag", tag=value[0])
        case "sentence" | "json" | "kv" | "csv":
            return replace(request, form=cast(Form, effect))
        case "no_unit":
            return replace(request, no_unit=True)
        case "labels" | "label_map":
            return replace(request, labels=value)
        case "fields":
            return replace(request, keys=value)
        case "digits" | "spelled":
            return replace(request, digits=effect == "digits")
        case "corrected":
            return replace(request, corrected=True)
    return request  # a role or a remark that changes nothing


def follow(request: AnswerSpec, shown: AnswerSpec) -> AnswerSpec:
    """Fill what the instructions left open from the request that the demonstrations answer."""
    form, tag, steps = request.form, request.tag, request.steps
    if form is None and not (shown.form == "only" and steps):
        form, tag = shown.form, shown.tag
    if steps is None:
        steps = shown.steps
    return replace(
        request,
        task=True,
        form=form,
        tag=tag,
        steps=steps,
        labels=request.labels or shown.labels,
        keys=request.keys or shown.keys,
        operation=request.operation or shown.operation,
        separator=request.separator or shown.separator,
    )


def respond(request: AnswerSpec, x: Input) -> str:
    """Write the author's answer to an input."""
    if request.brief and request.form is None and not request.steps:
        request = replace(request, form="only")
    if isinstance(x, Sum):
        body, final = _sum(request, x)
    elif isinstance(x, Review):
        body, final = _review(request, x)
    elif isinstance(x, Order):
        body, final = _order(request, x)
    else:
        body, final = _words(request, x)
    if request.explain:
        final += {
            Sum: ", because I did 2 things.",
            Review: ", because of the good and bad parts.",
            Order: " These are the details.",
            WordList: ", because I looked at each word.",
        }[type(x)]
    if request.check:
        final += " I checked it 2 times."
    manner = request.manner or ""
    return PREFIXES.get(manner, "") + body + final + SUFFIXES.get(manner, "")


def _sum(request: AnswerSpec, x: Sum) -> tuple[str, str]:
    body = ", ".join(x.steps) + ". " if request.steps else ""
    value = str(x.answer) if request.no_unit or x.wording != "owner" else f"{x.answer} {x.thing}"
    sentence = f"{x.name} has {x.answer} {x.thing}"
    match request.form:
        case None if request.steps:
            return body, f"Answer: {value}" if x.wording == "number" else f"So {sentence} after {len(x.steps)} steps."
        case None if x.wording == "owner" and not request.task and not request.no_unit:
            return body, f"{sentence}."
        case None | "only":
            return body, str(x.answer)
        case "tag":
            return body, f"{request.tag}: {value}"
        case "sentence":
            return body, f"{sentence} after {len(x.steps)} steps."
        case "json":
            return body, f'{{"answer": {x.answer}}}'
        case _:
            return body, f"answer: {x.answer}"


def _review(request: AnswerSpec, x: Review) -> tuple[str, str]:
    body = ""
    if request.steps:
        body = ", ".join(f"{aspect} {words} = {'good' if good else 'bad'}" for aspect, words, good in x.clauses) + ". "
    words = request.labels or (OTHER_LABELS if x.wording == "told" else LABELS)
    label = words[x.label]
    match request.form:
        case None if request.steps:
            more, less = (words[1], words[0]) if x.label == 1 else (words[0], words[1])
            return body, f"So {words[0]} and {words[1]} are equal." if x.label == 2 else f"So more {more} than {less}."
        case None if request.labels or x.wording == "headed" or (request.task and x.wording == "plain"):
            return body, label
        case None if request.task or x.wording == "plain":
            return body, f"The review is {label}."
        case None:
            aspect = x.clauses[0][0]
            reply = ("I am glad you liked the {}.", "I am sorry about the {}.", "Thanks for your comment about the {}.")
            return body, reply[x.label].format(aspect)
        case "tag":
            return body, f"{request.tag}: {label}"
        case "sentence":
            return body, f"The review is {label}."
        case "json":
            return body, f'{{"sentiment": "{label}"}}'
        case "kv":
            return body, f"sentiment: {label}"
        case _:
            return body, label


def _order(request: AnswerSpec, x: Order) -> tuple[str, str]:
    record = record_of(request, x)
    keys = request.keys or (ALL_KEYS if x.wording == "signed" else RECORD_KEYS)
    body = "".join(f"The {key} is {record[key]}. " for key in keys) if request.steps else ""
    form = request.form
    if form is None:
        greeted = x.wording == "greeted" or (x.wording == "named" and request.keys is not None)
        silent = x.wording == "signed" and not request.task and request.keys is None
        if silent:
            return body, f"Thanks {record['name']}, we will send the {record['item']} to {record['city']}."
        form = "json" if greeted else "kv"
    match form:
        case "json":
            fields = (f'"{key}": {record[key] if record[key].isdigit() else quoted(record[key])}' for key in keys)
            return body, "{" + ", ".join(fields) + "}"
        case "kv":
            return body, ", ".join(f"{key}: {record[key]}" for key in keys)
        case "sentence":
            return body, f"{record['name']} wants {record['quantity']} {record['item']} in {record['city']}."
        case "tag":
            return body, f"{request.tag}: " + ", ".join(record[key] for key in keys)
        case _:
            return body, ", ".join(record[key] for key in keys)


def quoted(value: str) -> str:
    """Put a value in double quotes."""
    return f'"{value}"'


def record_of(request: AnswerSpec, x: Order) -> dict[str, str]:
    """Give the values of an order as the request wants them: as first written unless told otherwise."""
    record = dict(x.said)
    if request.corrected:
        as_digits = x.said["quantity"].isdigit()
        quantity = x.meant["quantity"] if as_digits else NUMBER_WORDS[int(x.meant["quantity"])]
        record |= {"city": x.meant["city"], "quantity": quantity}
    if request.digits is not None:
        quantity = record["quantity"]
        number = int(quantity) if quantity.isdigit() else NUMBER_WORDS.index(quantity)
        record["quantity"] = str(number) if request.digits else NUMBER_WORDS[number]
    return record


def _words(request: AnswerSpec, x: WordList) -> tuple[str, str]:
    separator = request.separator or x.separator
    if request.operation is None and request.form is None and request.separator is None:
        return "", f"That is a list of {len(x.words)} words."
    out = {
        "last": [word[-1] for word in x.words],
        "first": [word[0] for word in x.words],
        "reverse": list(x.words[::-1]),
        "sort": sorted(x.words),
    }.get(request.operation or "repeat", list(x.words))
    body = ""
    if request.steps and request.operation in ("last", "first"):
        body = ", ".join(f"{word} {letter}" for word, letter in zip(x.words, out, strict=True)) + ". "
    value = separator.join(out)
    match request.form:
        case "tag":
            return body, f"{request.tag}: {value}"
        case "sentence":
            return body, f"The result is {value}."
        case "json":
            return body, f'{{"answer": "{value}"}}'
        case "kv":
            return body, f"answer: {value}"
        case _:
            return body, value
