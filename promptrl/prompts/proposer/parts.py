"""The parts of a prompt that a proposer may change, as an edit space has them."""

from collections.abc import Iterator

from promptrl.prompts.edits.choices import ChoiceFactor
from promptrl.prompts.proposer.proposal import Part
from promptrl.prompts.space import EditSpace


def parts_of(space: EditSpace) -> tuple[Part, ...]:
    """Slots and sentences in rendering order, with everything that may stand there; nothing that must stay."""
    options = {factor.slot: factor.options for factor in space.factors if isinstance(factor, ChoiceFactor)}
    return (*_slots(space, options), *_sentences(space, options))


def _slots(space: EditSpace, options: dict[str, tuple[str, ...]]) -> Iterator[Part]:
    others = {edit.slot for f in space.factors if not isinstance(f, ChoiceFactor) for edit in f.edits if edit.text}
    for slot in space.slot_order:
        is_text = space.worded is not None and slot == space.worded.slot
        text = space.baseline.slot(slot)
        if slot not in space.pinned | others and not is_text and (text or slot in options):
            yield Part(slot, text, options.get(slot, (text,)))


def _sentences(space: EditSpace, options: dict[str, tuple[str, ...]]) -> Iterator[Part]:
    if space.worded is None:
        return
    for name, number in space.worded.numbers().items():
        sentence = space.worded.sentences[number]
        yield Part(name, sentence, options.get(name, (sentence,)), space.worded.part.table.is_template)
