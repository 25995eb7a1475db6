"""What ``validate`` shows: what a run would do, and what is worth a look before it is paid for."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptrl.console.screen import clean, print_data, print_markup, show_problems
from promptrl.console.tables import prospects
from promptrl.errors import show
from promptrl.safe_text import printable

if TYPE_CHECKING:
    from promptrl.experiment.build import Components
    from promptrl.experiment.cost_bound import BindingLimit
    from promptrl.experiment.preview import FilledExample, Preview

FEW_ROWS = 100
MAX_EDITS = 12
MAX_TEXT = 1500
_KNOWN = {"reference": "the reference itself", "blank": "an empty answer", "another": "another row's reference"}


def show_plan(path: Path, components: "Components", seen: "Preview", *, as_json: bool) -> None:
    """What a valid config would do, and what looks odd about it."""
    from promptrl.experiment.cost_bound import binding_limit

    splits, plan, binding = components.splits, components.plan, binding_limit(components)
    data: dict[str, Any] = {
        "config": str(path),
        "rows": {
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(splits.test),
            "demonstrations": len(splits.demonstrations),
        },
        "inputs": components.inputs,
        "edits": len(components.space.edits),
        "prompts": components.space.size(),
        "calls": {**plan.shares, "total": plan.total},
        "binding_limit": None if binding is None else asdict(binding),
        "power": asdict(components.power),
        "warnings": [str(warning) for warning in seen.warnings],
        "edit_labels": list(seen.edits),
        "kept": list(seen.kept),
        "labels": seen.labels,
        "examples": [asdict(example) for example in seen.examples],
    }
    if as_json:
        print_data(data, as_json=True, is_line=True)
        return
    rows = data["rows"]
    size = data["prompts"]
    print_markup(
        f"[green]ok[/] {clean(path)}: {rows['train']} train, {rows['validation']} validation, {rows['test']} test rows "
        f"({rows['demonstrations']} set aside as demonstrations); {data['edits']} edits"
        + (f", {size:,} prompts" if size else "")
        + f"; at most {plan.total:,} calls: {', '.join(f'{calls:,} {name}' for name, calls in plan.shares.items())}"
    )
    if binding is not None:
        print_markup(f"   {_binding(binding, plan.test)}")
    for line in (*_repeated(rows, data["inputs"]), *prospects(components.power), *_proof_by_folds(components)):
        print_markup(f"   {line}")
    for line in _colleague(seen):
        print_markup(line)
    show_problems(seen.warnings)


def _binding(limit: "BindingLimit", test: int) -> str:
    """Which limit ends the run, and what becomes of the shares, of a test of so many calls too; as markup."""
    shares = ", ".join(f"{calls:,} {name}" for name, calls in limit.shares.items() if calls)
    too_little = ": too little to search, and to ask all test rows, so raise it or test on fewer"
    least = too_little if limit.shares["test"] < test else ""
    return (
        f"[yellow]{limit.key} ({limit.limit:,g}) ends it before:[/] it pays for about {limit.calls:,} calls if answers "
        f"are as long as they may be ({shares}), for more if they are shorter{least}"
    )


def _colleague(seen: "Preview") -> Iterator[str]:
    """Edits, labels and filled-in examples; as markup."""
    more = len(seen.edits) - MAX_EDITS
    yield (
        "[bold]What may change:[/] "
        + "; ".join(clean(edit) for edit in seen.edits[:MAX_EDITS])
        + (f"; and {more:,} more" if more > 0 else "")
    )
    if seen.kept:
        yield "[bold]What stays:[/] " + "; ".join(clean(show(piece)) for piece in seen.kept)
    if seen.labels is not None:
        yield "[bold]References:[/] " + ", ".join(f"{clean(show(label))} ({n:,})" for label, n in seen.labels.items())
    yield "[bold]Your prompt on train rows:[/]"
    for number, example in enumerate(seen.examples, start=1):
        yield from _example(number, example, seen.examples[0] if number > 1 else None)


def _example(number: int, example: "FilledExample", first: "FilledExample | None") -> Iterator[str]:
    """A row as the model will see it; of later ones only the messages that differ from those of the first."""
    known = first.messages if first else ()
    messages = [message for at, message in enumerate(example.messages) if known[at : at + 1] != (message,)]
    for message in messages:
        text = clean(printable(message.content, MAX_TEXT)).replace("\n", "\n      ")
        yield f"{number}. [dim]{message.role}:[/] {text}"
    if example.reference is not None:
        yield f"   [dim]reference:[/] {clean(printable(example.reference, MAX_TEXT))}"
    for name, scores in example.scores.items():
        said = ", ".join(f"{_KNOWN[of]} scores {score:.3g}" for of, score in scores.items())
        yield f"   [dim]{clean(name)}:[/] {said}"


def _repeated(rows: Mapping[str, int], inputs: Mapping[str, int]) -> Iterator[str]:
    """How many different inputs there are where some come again."""
    if any(inputs[name] < rows[name] for name in inputs):
        each = ", ".join(f"{count:,} {name}" for name, count in inputs.items())
        yield f"[yellow]Inputs come again:[/] {each} are different; rows with one input count as one"


def _proof_by_folds(components: "Components") -> Iterator[str]:
    """What folds do here, or could do for few rows; as markup."""
    splits = components.splits
    if components.folds:
        yield (
            f"Fold by fold: {len(splits.test)} of these rows judge what was found before them; "
            f"{len(components.folds) + 1} searches share the calls"
        )
    elif len(splits.train) + len(splits.validation) + len(splits.test) < FEW_ROWS:
        yield "On so few rows of one file `dataset.folds: 4` proves more: three quarters of them judge, fold by fold"
