"""The inputs of the four toy tasks, each with its gold answer, and the rule that keeps test inputs out of training.

Every text is made here from word lists; nothing comes from outside. An input's *wording* (the form of the question,
the opening of a review, the greeting of a message) is kept on it, because the author in ``responses.py`` lets its
default behaviour depend on the wording.
"""
# ruff: noqa: SIM905 - a list of words reads best as one text

import hashlib
import json
from dataclasses import dataclass
from random import Random
from typing import Literal

SumWording = Literal["owner", "things", "number"]
ReviewWording = Literal["headed", "plain", "told"]
OrderWording = Literal["greeted", "named", "signed"]
Task = Literal["arithmetic", "sentiment", "extraction", "last_letters"]
TASKS: tuple[Task, ...] = ("arithmetic", "sentiment", "extraction", "last_letters")

NAMES = (
    "Anna Tom Mia Ben Lea Max Eva Sam Zoe Leo Ivy Dan Amy Joe Kim Ned Ada Bob Liz Ray Nora Paul Rosa Hugo Emma Luca "
    "Nina Omar Sara Theo Ella Finn Jane Kurt Lily Mark Olga Pete Ruth Carl Vera Will Yara Adam Beth Cora Dora Erik "
    "Gina Hans Iris Jack Kate Lars Maya Noah Otto Pia Rita Sven Tina Ugo Wes Yuri Zara Alan Bela Cleo Dina Egon"
).split()
OBJECTS = (
    "apples pens books coins cards shells stamps marbles stickers cookies eggs pears plums nuts keys cups hats toys "
    "balls beads buttons flowers candles ribbons lemons"
).split()
ITEMS = (
    "lamps chairs tables books mugs plates bikes phones shirts shoes boxes clocks rugs bowls pens tents desks bags "
    "towels"
).split()
CITIES = (
    "Oslo Rome Paris Berlin Madrid Lisbon Vienna Prague Dublin Athens Cairo Delhi Tokyo Lima Quito Boston Denver "
    "Dallas Austin Miami Zurich Geneva Milan Turin Porto Seville Hamburg Munich Krakow Riga Vilnius Sofia Kyoto "
    "Osaka Seoul Perth"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WORDS = (
    "pear fig apple lemon grape melon peach plum mango cherry dog cat horse bird fish cow goat sheep duck frog lamp "
    "chair table sofa desk shelf door window wall roof sun moon star cloud rain snow wind storm river lake red blue "
    "green black white brown pink gray gold silver bread milk cheese butter sugar salt rice soup cake honey car bus "
    "train plane boat bike truck ship road bridge"
).split()
NUMBER_WORDS = "zero one two three four five six seven eight nine".split()
OOPS = ("sorry, I mean", "no, wait,", "or rather")
ASPECTS = (
    "soup waiter price room bed view staff pizza coffee music menu wine service screen battery sound camera plot "
    "acting ending hotel pool breakfast tea dessert bathroom location story film phone"
).split()
GOOD = "good great lovely tasty nice perfect excellent wonderful amazing pleasant superb fantastic".split()
BAD = "bad awful terrible poor horrible disappointing boring rude dirty dreadful broken slow".split()


@dataclass(frozen=True, slots=True)
class Sum:
    """A word problem of two or three additions and subtractions.

    ``wording`` is the form of the question: "owner" (How many apples does Anna have?), "things" (How many apples are
    left?) or "number" (What is the final number?).
    """

    text: str
    name: str
    thing: str
    steps: tuple[str, ...]
    answer: int
    wording: SumWording


@dataclass(frozen=True, slots=True)
class Review:
    """A review of one to three clauses; its label is the sign of (good clauses - bad clauses).

    ``clauses`` holds (aspect, words about it, is it good); ``wording`` is the opening: "headed" (My review: ...),
    "plain" (none) or "told" (We went there on Monday. ...).
    """

    text: str
    clauses: tuple[tuple[str, str, bool], ...]
    wording: ReviewWording

    @property
    def label(self) -> int:
        """0 more good than bad, 1 more bad than good, 2 equal."""
        balance = sum(1 if good else -1 for _, _, good in self.clauses)
        return 0 if balance > 0 else 1 if balance < 0 else 2


@dataclass(frozen=True, slots=True)
class Order:
    """An order message. ``said`` are the first-mentioned values as written, ``meant`` the corrected ones in digits.

    ``wording``: "greeted" (Hi, this is Anna. ...), "named" (My name is Anna. ...) or "signed" (... Thanks, Anna.).
    """

    text: str
    said: dict[str, str]
    meant: dict[str, str]
    wording: OrderWording

    @property
    def is_corrected(self) -> bool:
        """Whether the writer takes back a city or a quantity."""
        return any(f", {oops} " in self.text for oops in OOPS)


@dataclass(frozen=True, slots=True)
class WordList:
    """Some words; ``separator`` is what stands between them."""

    text: str
    words: tuple[str, ...]
    separator: str


Input = Sum | Review | Order | WordList


def make_sum(rng: Random, n_steps: int | None = None) -> Sum:
    """Make a word problem whose every intermediate result is in 1 to 86 (the two-digit tokens of the tokenizer)."""
    name, thing = rng.choice(NAMES), rng.choice(OBJECTS)
    total = rng.randint(10, 59)
    sentences = [f"{name} {rng.choice(('has', 'owns', 'starts with', 'had'))} {total} {thing}."]
    steps = []
    for _ in range(n_steps or rng.choice((2, 2, 3, 3, 3))):
        who = rng.choice((name, name, f"Then {name}"))
        change = rng.randint(1, 9)
        if rng.random() < 0.5:
            verb = rng.choice(("buys", "finds", "gets", "wins", "picks up"))
            what = rng.choice(("more", f"more {thing}", thing, f"new {thing}"))
            sentences.append(f"{who} {verb} {change} {what}.")
            steps.append(f"{total}+{change}={total + change}")
            total += change
        else:
            verb = rng.choice(("loses", "sells", "gives away", "drops", "breaks"))
            what = rng.choice((" of them", f" {thing}", ""))
            sentences.append(f"{who} {verb} {change}{what}.")
            steps.append(f"{total}-{change}={total - change}")
            total -= change
        if total < 1:
            return make_sum(rng, n_steps)
    wording: SumWording = rng.choice(("owner", "things", "number"))
    question = {
        "owner": (f"How many {thing} does {name} have now?", f"How many {thing} does {name} have?"),
        "things": (f"How many {thing} are there now?", f"How many {thing} are left?"),
        "number": ("What is the final number?", "How many is that?"),
    }[wording]
    sentences.append(rng.choice(question))
    return Sum(" ".join(sentences), name, thing, tuple(steps), total, wording)


def make_review(rng: Random, n_clauses: int | None = None) -> Review:
    """Make a review whose label is about equally often each of the three."""
    label = rng.choice((0, 1, 2)) if n_clauses is None else rng.choice((0, 1))
    n = n_clauses or (2 if label == 2 else rng.choice((1, 2, 3, 3, 3)))
    while True:
        goods = [rng.random() < 0.5 for _ in range(n)]
        balance = sum(1 if good else -1 for good in goods)
        if (balance == 0) if label == 2 else (balance > 0) if label == 0 else (balance < 0):
            break
    clauses, text = [], ""
    for i, (aspect, good) in enumerate(zip(rng.sample(ASPECTS, n), goods, strict=True)):
        negated = rng.random() < 0.25
        adjective = rng.choice(GOOD if good != negated else BAD)
        verb = rng.choice(("was", "was", "is"))
        adverb = "not " if negated else rng.choice(("", "", "really ", "very ", "so "))
        clauses.append((aspect, f"{'not ' if negated else ''}{adjective}", good))
        if i:
            same = goods[i] == goods[i - 1]
            text += rng.choice((", and ", ". Also, ", " and ") if same else (", but ", ". However, ", ", while "))
        text += f"the {aspect} {verb} {adverb}{adjective}"
    wording: ReviewWording = rng.choices(("headed", "plain", "told"), (30, 25, 45))[0]
    opening = {
        "headed": ("My review: ", "Short note: ", "Review: "),
        "plain": ("",),
        "told": ("We went there on Monday. ", "I was there last week. ", "We came with friends. "),
    }[wording]
    return Review(f"{rng.choice(opening)}{text[0].upper()}{text[1:]}.", tuple(clauses), wording)


def make_order(rng: Random) -> Order:
    """Make an order: a number word in 38 % of the messages, a corrected value in 40 %."""
    name, item, day = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(DAYS)
    city, wrong_city = rng.sample(CITIES, 2)
    quantity, wrong_quantity = rng.sample(range(2, 10), 2)
    in_words = rng.random() < 0.38
    corrected = rng.choices(("none", "city", "quantity"), (60, 25, 15))[0]
    oops = rng.choice(OOPS)

    def number(n: int) -> str:
        return NUMBER_WORDS[n] if in_words else str(n)

    said = {"name": name, "item": item, "quantity": number(quantity), "city": city, "day": day}
    meant = said | {"quantity": str(quantity)}
    where, how_many = city, number(quantity)
    if corrected == "city":
        said["city"], where = wrong_city, f"{wrong_city}, {oops} {city}"
    elif corrected == "quantity":
        said["quantity"], how_many = number(wrong_quantity), f"{number(wrong_quantity)}, {oops} {number(quantity)}"
    when = f"{rng.choice(('on', 'by', 'before'))} {day}"
    wording: OrderWording = rng.choices(("greeted", "named", "signed"), (35, 25, 40))[0]
    if wording == "signed":
        body = f"{rng.choice(('Please send', 'Ship', 'Deliver', 'Bring'))} {how_many} {item} to {where} {when}."
        text = f"{body} {rng.choice(('Thanks', 'Best', 'Regards'))}, {name}."
    else:
        openings = {"greeted": ("Hi, this is {}.", "Hello, {} here."), "named": ("My name is {}.", "I am {}.")}[wording]
        ask = rng.choice(("Please send", "I need", "I want", "Please ship", "We would like", "I order"))
        to = rng.choice(("to", "for delivery to"))
        text = f"{rng.choice(openings).format(name)} {ask} {how_many} {item} {to} {where} {when}."
    return Order(text, said, meant, wording)


def make_words(rng: Random) -> WordList:
    """Make a list of three to five different words."""
    words = rng.sample(WORDS, rng.choice((3, 4, 4, 5)))
    separator = rng.choice((" ", ", "))
    return WordList(separator.join(words), tuple(words), separator)


def make_input(task: Task, rng: Random) -> Input:
    """Make one input of a task, held out or not."""
    if task == "arithmetic":
        return make_sum(rng)
    if task == "sentiment":
        return make_review(rng)
    return make_order(rng) if task == "extraction" else make_words(rng)


def is_held_out(text: str) -> bool:
    """Whether training must never see this text: a tenth of all texts, chosen by hash."""
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 10 == 0


def held_out_inputs(task: str, n: int, seed: int) -> list[Input]:
    """Give ``n`` different inputs that training never saw."""
    if task not in TASKS:
        raise ValueError(f"task: got {task!r}, expected one of {', '.join(TASKS)}")
    rng = Random(f"{task} {seed}")
    found: dict[str, Input] = {}
    while len(found) < n:
        x = make_input(task, rng)
        if is_held_out(x.text):
            found[x.text] = x
    return list(found.values())


def generate(task: str, n: int, seed: int) -> list[dict[str, str]]:
    """Give ``n`` different rows of a task with their gold answers; training never saw these inputs.

    Returns:
        Rows with the columns question, answer, steps (arithmetic); review, label (sentiment); message, record = JSON
        text with name, item, quantity (a number), city (extraction); words, letters (last_letters).
    """
    return [_row(x) for x in held_out_inputs(task, n, seed)]


def _row(x: Input) -> dict[str, str]:
    if isinstance(x, Sum):
        return {"question": x.text, "answer": str(x.answer), "steps": ", ".join(x.steps)}
    if isinstance(x, Review):
        return {"review": x.text, "label": ("positive", "negative", "neutral")[x.label]}
    if isinstance(x, Order):
        meant = x.meant
        record = {
            "name": meant["name"],
            "item": meant["item"],
            "quantity": int(meant["quantity"]),
            "city": meant["city"],
        }
        return {"message": x.text, "record": json.dumps(record)}
    return {"words": x.text, "letters": " ".join(word[-1] for word in x.words)}
