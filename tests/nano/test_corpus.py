"""The corpus: fixed by its seed, free of held-out texts, in the format of the chat template; the author's rules."""

from random import Random

import pytest

from promptrl.nano import WEIGHTS, corpus, grammar
from promptrl.nano.evaluate import gold
from promptrl.nano.inputs import TASKS, Order, held_out_inputs, is_held_out
from promptrl.nano.responses import AnswerSpec, Instruction, follow, read_instructions, respond


def test_documents_are_fixed_by_the_seed() -> None:
    """The same generator state gives the same documents."""
    one, other = Random(5), Random(5)
    assert [corpus.make_document(one) for _ in range(200)] == [corpus.make_document(other) for _ in range(200)]
    assert corpus.make_document(Random(6)) != corpus.make_document(Random(5))


def test_no_conversation_shows_a_held_out_input() -> None:
    """Inputs that the data sets may hold never occur in a document of a task."""
    rng = Random(1)
    held_out = {x.text for task in TASKS for x in held_out_inputs(task, 100, 0)}
    for _ in range(2000):
        assert not any(turn.user in held_out for turn in corpus.make_document(rng).turns)


def test_wordings_are_shown_or_held_out_never_both() -> None:
    """A wording asked for as held out is in the held-out tenth, any other is not."""
    rng = Random(2)
    for effect in ("steps", "tag", "json", "digits"):
        assert is_held_out(grammar.word(effect, rng, held_out=True, T="Answer"))
        assert not is_held_out(grammar.word(effect, rng, T="Answer"))


def test_every_effect_of_the_corpus_has_wordings() -> None:
    """Whatever instructions are drawn, they can be worded and read."""
    rng = Random(3)
    for task in TASKS:
        for _ in range(500):
            instructions = corpus.sample_instructions(task, rng)
            assert bool(instructions) == bool(corpus.word_prompt(instructions, rng))
            read_instructions(instructions)


def test_the_chat_template_renders_the_training_format() -> None:
    """The tokenizer's chat template gives exactly the text that training saw, with and without a system prompt."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(WEIGHTS)
    turns = [corpus.Turn("One?", "1"), corpus.Turn("Two?\nOr three?", "2")]
    for system in ("", "Be brief."):
        messages = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            messages += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.assistant}]
        trained = "".join(text for text, _ in corpus.render(system, turns))
        assert tokenizer.apply_chat_template(messages, tokenize=False) == trained
        question = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        assert question == trained[: -len(" 2<|end|>")]


def test_a_full_request_gets_the_gold_answer() -> None:
    """Asked in full, the author gives the gold answer of every task."""
    requests = {
        "arithmetic": AnswerSpec(steps=True, form="tag", no_unit=True),
        "sentiment": AnswerSpec(steps=True, form="tag", labels=("positive", "negative", "neutral")),
        "extraction": AnswerSpec(form="json", keys=("name", "item", "quantity", "city"), digits=True, corrected=True),
        "last_letters": AnswerSpec(operation="last", separator=" ", form="tag"),
    }
    for task, request in requests.items():
        for x in held_out_inputs(task, 100, 1):
            answer = respond(request, x)
            assert (answer if isinstance(x, Order) else answer.split("Answer: ")[1]) == gold(x)


def test_the_later_of_two_instructions_wins() -> None:
    """Brevity after steps drops them, steps after brevity bring them back."""
    steps, terse = Instruction("steps"), Instruction("terse")
    assert read_instructions([steps, terse]).steps is False
    assert read_instructions([terse, steps]).steps is True


def test_instructions_beat_demonstrations() -> None:
    """Demonstrations fill the form that the instructions leave open and nothing else."""
    shown = AnswerSpec(form="tag", steps=False, labels=("a", "b", "c"), digits=True)
    assert follow(AnswerSpec(), shown).form == "tag"
    merged = follow(AnswerSpec(steps=True, form="json"), shown)
    assert (merged.steps, merged.form, merged.labels, merged.digits) == (True, "json", ("a", "b", "c"), None)
