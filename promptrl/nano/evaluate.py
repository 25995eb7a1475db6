"""Print the tables of the model card: ``python -m promptrl.nano.evaluate [--weights FOLDER] [--task TASK] [--space]``.

Inputs are held out of training. An output is right when the text after its last "Answer:" (the whole text if there is
none) equals the gold answer, without regard to case and a final full stop; in extraction the whole text must parse as
JSON and equal the record. ``loose`` accepts what a forgiving metric would: the last number, the only label that occurs,
the first JSON object in the text.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

import torch

from promptrl.nano import WEIGHTS
from promptrl.nano.decode import Decoder
from promptrl.nano.grammar import word
from promptrl.nano.inputs import TASKS, Input, Order, Review, Sum, Task, held_out_inputs
from promptrl.nano.phrases import PHRASES, PROMPTS, SLOTS
from promptrl.nano.responses import LABELS, RECORD_KEYS, AnswerSpec, respond

HELD_OUT_EFFECTS: dict[Task, tuple[str, ...]] = {
    "arithmetic": ("steps", "no_unit", "tag"),
    "sentiment": ("labels", "steps_sentiment", "tag"),
    "extraction": ("fields", "digits", "corrected", "json"),
    "last_letters": ("task_last", "separate_space"),
}

PLAIN = AnswerSpec(
    task=True, form="only", labels=LABELS, keys=RECORD_KEYS, digits=True, corrected=True, operation="last",
    separator=" ", no_unit=True,
)  # fmt: skip


def gold(x: Input) -> str:
    """Give the right answer in the plainest form, as a data set would hold it."""
    return respond(replace(PLAIN, form="json") if isinstance(x, Order) else PLAIN, x)


def is_right(x: Input, text: str) -> bool:
    """Whether an output is right by the strict metric."""
    if isinstance(x, Order):
        return bool(_parse(text) == json.loads(gold(x)))
    return text.split("Answer:")[-1].strip().rstrip(".").lower() == gold(x).lower()


def is_right_loosely(x: Input, text: str) -> bool:
    """Whether an output is right by a forgiving metric."""
    if isinstance(x, Order):
        found = re.search(r"\{.*?\}", text)
        return found is not None and bool(_parse(found.group()) == json.loads(gold(x)))
    if isinstance(x, Sum):
        return re.findall(r"\d+", text)[-1:] == [gold(x)]
    if isinstance(x, Review):
        return {label for label in LABELS if label in text.lower()} == {gold(x)}
    return is_right(x, text)


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def demonstrations(task: Task, kinds: str) -> list[tuple[str, str]]:
    """Give solved examples: p the gold answer alone, t after "Answer:", s worked steps and then the answer."""
    pairs = []
    for x, kind in zip(held_out_inputs(task, len(kinds), seed=555), kinds, strict=True):
        worked = replace(PLAIN, steps=kind == "s", form="tag")
        pairs.append((x.text, gold(x) if kind == "p" else respond(worked, x)))
    return pairs


def system_prompt(task: Task, names: str) -> str:
    """Write the prompt of phrase names joined by +."""
    return " ".join(PHRASES[task][name] for name in names.split("+") if name)


def accuracy(
    decoder: Decoder, inputs: list[Input], system: str, shown: list[tuple[str, str]]
) -> tuple[float, float, str]:
    """Give the strict and the loose share of right answers, and the first output."""
    outputs = decoder.complete(system, shown, [x.text for x in inputs])
    n = len(inputs)
    strict = sum(is_right(x, y) for x, y in zip(inputs, outputs, strict=True)) / n
    loose = sum(is_right_loosely(x, y) for x, y in zip(inputs, outputs, strict=True)) / n
    return strict, loose, outputs[0]


def print_prompts(decoder: Decoder, task: Task, rows: int) -> None:
    """Print the table of ``PROMPTS``."""
    inputs = held_out_inputs(task, rows, seed=99)
    print(f"\n### {task}: {rows} rows a prompt\n\n| prompt | strict % | loose % | first output |\n|---|---|---|---|")
    for prompt in PROMPTS[task]:
        names, _, kinds = (part.strip() for part in prompt.partition("|"))
        strict, loose, output = accuracy(decoder, inputs, system_prompt(task, names), demonstrations(task, kinds))
        title = prompt.replace("|", "demos").strip() or "(bare)"
        print(f"| {title} | {100 * strict:.1f} | {100 * loose:.1f} | `{output}` |")


def print_wordings(decoder: Decoder, task: Task, rows: int, prompts: int = 12) -> None:
    """Print how the best kind of prompt does in wordings that training showed and in wordings that it never showed."""
    inputs = held_out_inputs(task, rows, seed=77)
    for held_out in (False, True):
        rng, scores = Random(3), []
        values = {"T": "Answer", "a": LABELS[0], "b": LABELS[1], "c": LABELS[2], "k": ", ".join(RECORD_KEYS)}
        for _ in range(prompts):
            system = " ".join(word(effect, rng, held_out, **values) for effect in HELD_OUT_EFFECTS[task])
            scores.append(100 * accuracy(decoder, inputs, system, [])[0])
        kind = f"{'+'.join(HELD_OUT_EFFECTS[task])}, wordings {'never shown' if held_out else 'shown'}"
        print(f"{task}: {kind}: mean {sum(scores) / prompts:.1f}, {min(scores):.0f} to {max(scores):.0f}")


def prompts_of_space(task: Task) -> Iterator[str]:
    """Give every prompt of the edit space ``SLOTS`` as phrase names joined by +."""
    for options in product(*SLOTS[task].values()):
        yield "+".join(option for option in options if option)


def print_space(decoder: Decoder, task: Task, rows: int, prompts: int) -> None:
    """Print how rare good prompts are in a random part of the edit space."""
    inputs, space = held_out_inputs(task, rows, seed=44), list(prompts_of_space(task))
    chosen = ["", *Random(5).sample(space, min(prompts, len(space)))]
    scores = [(accuracy(decoder, inputs, system_prompt(task, names), [])[:2], names) for names in chosen]
    for metric, i in (("strict", 0), ("loose", 1)):
        bare, values = scores[0][0][i], sorted(score[i] for score, _ in scores)
        best = max(scores, key=lambda entry: entry[0][i])
        good = sum(value >= bare + 0.9 * (best[0][i] - bare) for value in values) / len(values)
        print(
            f"{task}, {metric}: {len(chosen)} of {len(space)} prompts, {rows} rows: bare {100 * bare:.0f}, "
            f"median {100 * values[len(values) // 2]:.0f}, best {100 * best[0][i]:.0f} ({best[1]}), "
            f"within 90 % of the best gain {100 * good:.2f} %"
        )


def main(arguments: list[str] | None = None) -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description="Print the tables of the model card.")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument(
        "--space", type=int, default=0, metavar="N", help="ask N random prompts of the edit space instead"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    decoder, started = Decoder(options.weights), time.monotonic()
    for task in options.task or TASKS:
        if options.space:
            print_space(decoder, task, options.rows, options.space)
        else:
            print_prompts(decoder, task, options.rows)
            print_wordings(decoder, task, options.rows)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
