"""Short exercises in the single skills that the tasks need: sums, copying, clause polarity, numbers, corrections.

Their system prompts are used nowhere else, so that a drill never contradicts the author's defaults.
"""

from collections.abc import Callable
from random import Random

from promptrl.nano.grammar import word
from promptrl.nano.inputs import CITIES, NUMBER_WORDS, WordList, is_held_out, make_order, make_review
from promptrl.nano.inputs import WORDS as VOCABULARY
from promptrl.nano.responses import LABELS, AnswerSpec, Instruction, read_instructions, record_of, respond

Chance = Callable[[float], bool]
Pairs = list[tuple[str, str]]


def make_drill(rng: Random) -> tuple[str, Pairs]:
    """Give a system prompt and the (user, assistant) pairs of one exercise."""
    drill = rng.choices((_sums, _polarity, _clauses, _counting, _values, _orders, _lists), (20, 8, 16, 4, 10, 36, 6))[0]
    return drill(rng)


def _sums(rng: Random) -> tuple[str, Pairs]:
    pairs = []
    for _ in range(rng.choice((2, 3, 4))):
        total = rng.randint(3, 70)
        terms, steps = [str(total)], []
        for _ in range(rng.choice((2, 3, 4, 5))):
            change = rng.randint(1, 9)
            sign = -1 if total > 77 or (total > 10 and rng.random() < 0.5) else 1
            terms.append(f"{'+' if sign > 0 else '-'}{change}")
            steps.append(f"{total}{terms[-1]}={total + sign * change}")
            total += sign * change
        pairs.append((" ".join(terms), f"{', '.join(steps)}. Answer: {total}"))
    return "Calculate.", pairs


def _polarity(rng: Random) -> tuple[str, Pairs]:
    reviews = [make_review(rng, n_clauses=1) for _ in range(rng.choice((4, 5, 6)))]
    return "Good or bad?", [(x.text, "good" if x.clauses[0][2] else "bad") for x in reviews if not is_held_out(x.text)]


def _clauses(rng: Random) -> tuple[str, Pairs]:
    pairs = []
    for _ in range(rng.choice((2, 3, 4))):
        while is_held_out((x := make_review(rng)).text):
            pass
        answer = ", ".join(f"{aspect} {words} = {'good' if good else 'bad'}" for aspect, words, good in x.clauses)
        pairs.append((x.text, f"{answer}. {LABELS[x.label]}" if rng.random() < 0.5 else f"{answer}."))
    tagged = all(pair[1][-1] != "." for pair in pairs)
    return ("Clauses and label." if tagged else "Clauses."), [
        (user, answer if tagged else f"{answer.split('.')[0]}.") for user, answer in pairs
    ]


def _counting(rng: Random) -> tuple[str, Pairs]:
    pairs = []
    for _ in range(rng.choice((4, 5, 6))):
        words = [rng.choice(("good", "bad")) for _ in range(rng.choice((1, 2, 2, 3, 3)))]
        balance = sum(1 if w == "good" else -1 for w in words)
        pairs.append((", ".join(words), LABELS[0 if balance > 0 else 1 if balance < 0 else 2]))
    return "More good or more bad?", pairs


def _values(rng: Random) -> tuple[str, Pairs]:
    if rng.random() < 0.4:
        numbers = [rng.randint(2, 9) for _ in range(5)]
        return "Digits.", [(NUMBER_WORDS[n], str(n)) for n in numbers]
    pairs = []
    for _ in range(5):
        wrong, right = rng.sample(CITIES, 2) if rng.random() < 0.6 else rng.sample([str(n) for n in range(2, 10)], 2)
        pairs.append((f"{wrong}, {rng.choice(('sorry, I mean', 'no, wait,', 'or rather'))} {right}", right))
    if rng.random() < 0.7:
        return "Corrected value.", pairs
    return "First value.", [(user, user.split(",")[0]) for user, _ in pairs]


def _orders(rng: Random) -> tuple[str, Pairs]:
    """Ask for one value of order messages."""
    key = rng.choice(("city", "city", "quantity"))
    digits = rng.random() < 0.6 if key == "quantity" else None
    request = AnswerSpec(corrected=rng.random() < 0.5, digits=digits)
    words = [key.capitalize(), "corrected" if request.corrected else "as first said"]
    if digits is not None:
        words.append("digits" if digits else "words")
    orders = [x for x in (make_order(rng) for _ in range(rng.choice((5, 6, 8)))) if not is_held_out(x.text)]
    orders = [x for x in orders if x.is_corrected or rng.random() < 0.3][:4]
    pairs = [(x.text, record_of(request, x)[key]) for x in orders]
    return f"{', '.join(words)}.", pairs


def _lists(rng: Random) -> tuple[str, Pairs]:
    operation = rng.choice(("last", "last", "last", "first", "repeat", "reverse", "sort"))
    instructions = [Instruction(f"task_{operation}"), Instruction(rng.choice(("separate_space", "separate_comma")))]
    if operation in ("last", "first") and rng.random() < 0.5:
        instructions.append(Instruction("steps"))
    request: AnswerSpec = read_instructions(instructions)
    pairs = []
    for _ in range(4):
        words = tuple(rng.sample(VOCABULARY, rng.choice((2, 3, 4))))
        x = WordList(" ".join(words), words, " ")
        while is_held_out(x.text):
            x = WordList(", ".join(words), words, ", ")
            words = tuple(rng.sample(VOCABULARY, 3))
        pairs.append((x.text, respond(request, x)))
    return " ".join(word(instruction.effect, rng) for instruction in instructions), pairs
