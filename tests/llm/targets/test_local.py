"""The local target with the bundled model: right answers, batching, limits, faults."""

import asyncio
import dataclasses
import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from promptrl.errors import ConfigError, TargetError
from promptrl.llm.base import Completion, Message, Messages
from promptrl.llm.targets import local_decoding
from promptrl.llm.targets.local import LocalTarget
from promptrl.llm.targets.local_checkpoint import load_checkpoint
from promptrl.llm.targets.local_sampling import parse_params
from promptrl.nano import WEIGHTS

SYSTEMS = (
    "",
    "Solve the word problem.",
    'Solve the word problem. Think step by step. End with "Answer:" followed by the result.',
    "Extract the order details from the message. Output a JSON object. Use the keys name, item, quantity and city.",
)
PROBLEMS = tuple(
    f"{name} has {first} {thing}. {name} finds {second} more. How many {thing} does {name} have now?"
    for first, (name, thing) in enumerate([("Anna", "apples"), ("Tom", "pens"), ("Mia", "books"), ("Ben", "coins")], 11)
    for second in (2, 3, 5, 8)
)
OUT_OF_TASTE = {"temperature": 1.3, "max_tokens": 24}


def chat(user: str, system: str = "") -> Messages:
    """Messages of one question, with instructions if there are any."""
    return (*((Message("system", system),) if system else ()), Message("user", user))


CHATS = tuple(chat(problem, system) for problem in PROBLEMS for system in SYSTEMS)


def ask(target: LocalTarget, chats: Sequence[Messages], **params: Any) -> list[Completion]:
    """Ask everything at once."""

    async def gather() -> list[Completion]:
        return await asyncio.gather(*(target.complete(messages, params) for messages in chats))

    return asyncio.run(gather())


@pytest.fixture(scope="module")
def nano() -> Iterator[LocalTarget]:
    """The bundled model."""
    target = LocalTarget("nano", threads=1)
    yield target
    asyncio.run(target.aclose())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of nano's folder, to be changed."""
    return Path(shutil.copytree(WEIGHTS, tmp_path / "model"))


def close(target: LocalTarget) -> None:
    """Close a target outside any loop."""
    asyncio.run(target.aclose())


class _Wrapped(torch.nn.Module):
    """nano, asked by whatever names this version of transformers has."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.config = network.config
        self.asked = 0
        self._network = network

    def ask(self, cache: Any, given: dict[str, Any]) -> Any:
        self.asked += 1
        name = "cache" if "cache" in inspect.signature(self._network.forward).parameters else "past_key_values"
        return self._network(**given, **{name: cache})


class _New(_Wrapped):
    def forward(self, *, cache: Any, **given: Any) -> Any:
        return self.ask(cache, given)


class _Old(_Wrapped):
    def forward(self, *, past_key_values: Any, **given: Any) -> Any:
        return self.ask(past_key_values, given)


@pytest.mark.parametrize("wrapper", [_New, _Old])
def test_old_and_new_transformers_are_asked_by_their_own_names(wrapper: type[_Wrapped]) -> None:
    """The argument with the attention cache was renamed; the old name warns, and will be gone."""
    checkpoint = load_checkpoint("nano")
    sampling = parse_params({"temperature": 0, "max_tokens": 8})
    rows = [local_decoding.BatchRow(ids, 0, sampling) for ids in checkpoint.tokenize([chat(PROBLEMS[0])])]
    network = wrapper(checkpoint.network)
    answers: list[local_decoding.DecodedAnswer] = []
    for asked in (dataclasses.replace(checkpoint, network=network), checkpoint):
        local_decoding.decode(asked, rows, lambda _, answer: answers.append(answer))
    assert answers[0] == answers[1]
    assert network.asked > 1


def test_greedy_answers_are_those_of_generate(nano: LocalTarget) -> None:
    """64 different prompts in one batch give what transformers' own generate gives one by one."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model: Any = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    expected = []
    for messages in CHATS:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        output = model.generate(**prompt, do_sample=False, max_new_tokens=32, pad_token_id=0)
        expected.append(tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True).strip())

    answers = [completion.text for completion in ask(nano, CHATS, max_tokens=32)]

    assert len(CHATS) == 64
    assert answers == expected
    assert len(set(answers)) > 16


def test_an_answer_does_not_depend_on_its_batch(nano: LocalTarget) -> None:
    """Asked alone, with equal instructions and among others, a question has one answer."""
    alone = [ask(nano, [messages], max_tokens=32)[0].text for messages in CHATS[:8]]
    alike = [completion.text for completion in ask(nano, CHATS[2::4], max_tokens=32)]
    mixed = [completion.text for completion in ask(nano, CHATS, max_tokens=32)]
    assert alone == mixed[:8]
    assert alike == mixed[2::4]


def test_demonstrations_are_part_of_the_prompt(nano: LocalTarget) -> None:
    """A conversation with a solved example is read in order, also when rows share it."""
    solved = (*chat(PROBLEMS[0]), Message("assistant", '{"answer": 13}'))
    shown = ask(nano, [(*solved, Message("user", problem)) for problem in PROBLEMS[1:5]], max_tokens=32)
    bare = ask(nano, [chat(problem) for problem in PROBLEMS[1:5]], max_tokens=32)
    assert all(answer.text.startswith('{"answer": ') for answer in shown)
    assert not any("{" in answer.text for answer in bare)


def test_questions_asked_at_once_share_batches(nano: LocalTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 concurrent questions do not become 64 batches, and no batch is over the size."""
    sizes = []
    original = local_decoding.decode

    def counting(checkpoint: Any, rows: Any, on_answer: Any) -> None:
        sizes.append(len(rows))
        original(checkpoint, rows, on_answer)

    monkeypatch.setattr(local_decoding, "decode", counting)
    ask(nano, CHATS * 2, max_tokens=4)
    assert sum(sizes) == 128
    assert len(sizes) <= 8
    assert max(sizes) <= 64


def test_a_seed_makes_sampling_repeatable(nano: LocalTarget) -> None:
    """The same seed gives the same texts whatever the batch; other seeds give other texts."""
    first = [completion.text for completion in ask(nano, CHATS, seed=7, **OUT_OF_TASTE)]
    again = [completion.text for completion in ask(nano, CHATS[::-1], seed=7, **OUT_OF_TASTE)][::-1]
    other = [completion.text for completion in ask(nano, CHATS, seed=8, **OUT_OF_TASTE)]
    assert first == again
    assert sum(a != b for a, b in zip(first, other, strict=True)) > 32


def test_sampling_without_a_seed_varies(nano: LocalTarget) -> None:
    """Without a seed, the same question has several answers."""
    assert len({completion.text for completion in ask(nano, [CHATS[0]] * 16, **OUT_OF_TASTE)}) > 1


def test_repeats_differ_and_can_be_repeated(nano: LocalTarget) -> None:
    """Without a seed in the params, the number of a repeat decides its answer."""

    async def repeats() -> list[str]:
        asked = (nano.complete_repeat(CHATS[0], OUT_OF_TASTE, repeat) for repeat in range(16))
        return [completion.text for completion in await asyncio.gather(*asked)]

    first = asyncio.run(repeats())
    assert first == asyncio.run(repeats())
    assert len(set(first)) > 1


def test_a_narrow_nucleus_is_greedy(nano: LocalTarget) -> None:
    """With a tiny top_p only the most likely token is left."""
    greedy = [completion.text for completion in ask(nano, CHATS[:16], max_tokens=24)]
    assert [completion.text for completion in ask(nano, CHATS[:16], top_p=1e-6, seed=1, **OUT_OF_TASTE)] == greedy


def test_tokens_are_counted(nano: LocalTarget) -> None:
    """Prompt tokens are the rendered chat's; the answer's are at most max_tokens, and it says why it ended."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    (completion,) = ask(nano, [chat(PROBLEMS[0], SYSTEMS[2])], max_tokens=3)
    assert completion.prompt_tokens == len(tokenizer(f"<|sys|> {SYSTEMS[2]}<|user|> {PROBLEMS[0]}<|bot|>").input_ids)
    assert (completion.completion_tokens, completion.finish_reason, completion.cost_usd) == (3, "length", 0.0)
    assert completion.latency_s > 0
    assert ask(nano, [chat(PROBLEMS[0], SYSTEMS[2])], max_tokens=60)[0].finish_reason == "stop"


@pytest.mark.parametrize("stop", ["Answer", ["zebra", "Answer"]])
def test_an_answer_is_cut_before_a_stop_text(nano: LocalTarget, stop: Any) -> None:
    """The stop text and what follows it are not in the answer."""
    (whole,) = ask(nano, [chat(PROBLEMS[0], SYSTEMS[2])])
    (cut,) = ask(nano, [chat(PROBLEMS[0], SYSTEMS[2])], stop=stop)
    assert cut.text == whole.text[: whole.text.index("Answer")].strip()
    assert cut.finish_reason == "stop"


def test_a_prompt_over_the_context_is_a_fault(nano: LocalTarget) -> None:
    """It answers nothing, says why, and leaves its neighbours alone."""
    too_long, fine = ask(nano, [chat("word " * 500), CHATS[2]], max_tokens=32)
    assert (too_long.text, too_long.fault, too_long.completion_tokens) == ("", "context_overflow", 0)
    assert too_long.prompt_tokens is not None
    assert too_long.prompt_tokens > 384
    assert fine.fault is None
    assert fine.text == ask(nano, [CHATS[2]], max_tokens=32)[0].text


def test_an_answer_ends_where_the_context_does(nano: LocalTarget) -> None:
    """Prompt and answer together never exceed the model's positions."""
    chats = [chat("7 " * n, SYSTEMS[2]) for n in (150, 170, 175)]
    for completion in ask(nano, chats, max_tokens=400, temperature=2, seed=1):
        assert (completion.prompt_tokens or 0) + (completion.completion_tokens or 0) <= 384


@pytest.mark.parametrize("model", ["no/such/folder", "../nowhere", "bad name!"])
def test_a_model_that_is_nowhere_is_a_config_error(model: str) -> None:
    """A path that is neither a folder nor a hub id is refused before anything is loaded."""
    with pytest.raises(ConfigError, match=r"target\.model: .*no such folder"):
        LocalTarget(model)


def test_weights_that_are_pickles_are_refused(folder: Path) -> None:
    """Only safetensors are read."""
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"target\.model: .*safetensors"):
        LocalTarget(str(folder))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without transformers the error says what to install."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'promptrl\[local\]'"):
        LocalTarget("nano")


def test_sliding_attention_is_refused(folder: Path) -> None:
    """A model whose cache can't be padded in the middle is refused, not answered wrongly."""
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=2048,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        sliding_window=8,
        max_position_embeddings=64,
    )
    model: Any = MistralForCausalLM(config)
    model.save_pretrained(folder)
    with pytest.raises(ConfigError, match="sliding"):
        LocalTarget(str(folder))


def test_the_identity_follows_the_files(folder: Path) -> None:
    """Equal files elsewhere have an equal hash; a changed tokenizer setting has another."""
    same = LocalTarget(str(folder), threads=1)
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("<|user|> ", "<|user|>"))
    changed = LocalTarget(str(folder), threads=1)
    bundled = LocalTarget("nano", threads=1)
    for target in (same, changed, bundled):
        close(target)
    assert same.identity.split(":")[:2] == ["local", "model"]
    assert bundled.identity.split(":")[:2] == ["local", "nano"]
    assert same.identity.split(":")[2] == bundled.identity.split(":")[2] != changed.identity.split(":")[2]


def test_instructions_go_before_the_question_where_a_template_has_no_place_for_them(folder: Path) -> None:
    """A chat template that refuses system messages gets them as part of the first question."""
    settings = folder / "tokenizer_config.json"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    settings.write_text(settings.read_text().replace('"chat_template": "', f'"chat_template": "{refusing}'))
    target = LocalTarget(str(folder), threads=1)
    folded, plain = ask(target, [chat("B", "A"), chat("A\n\nB")])
    close(target)
    assert folded.text == plain.text
    assert folded.prompt_tokens == plain.prompt_tokens


def test_a_model_without_a_chat_template_gets_plain_text(folder: Path) -> None:
    """A base model is asked with the contents, blank lines between; rows that share nothing may meet in a batch."""
    settings = folder / "tokenizer_config.json"
    head, _, _ = settings.read_text().partition(',\n "chat_template"')
    settings.write_text(head + "\n}")
    target = LocalTarget(str(folder), threads=1)
    together = ask(target, [chat("Copy the words."), chat("Tom has 3 pens."), chat("B", "A"), chat("C", "A")])
    alone = [ask(target, [messages])[0].text for messages in (chat("Copy the words."), chat("Tom has 3 pens."))]
    close(target)
    assert [completion.text for completion in together[:2]] == alone


def test_a_broken_model_is_a_target_error(monkeypatch: pytest.MonkeyPatch, nano: LocalTarget) -> None:
    """What fails inside the model stops the asking with its reason; the target goes on working."""

    def broken(*_: Any) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(local_decoding, "decode", broken)
        with pytest.raises(TargetError, match="out of memory"):
            ask(nano, CHATS[:2])
    assert ask(nano, CHATS[2:3])[0].text


def test_a_closed_target_answers_no_more() -> None:
    """Questions that wait when the target is closed fail, and so do later ones."""
    target = LocalTarget("nano", threads=1)

    async def close_while_asking() -> list[Any]:
        asked = [asyncio.ensure_future(target.complete(messages, {})) for messages in CHATS * 8]
        await asyncio.sleep(0)
        await target.aclose()
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)

    answers = asyncio.run(close_while_asking())
    assert any(isinstance(answer, TargetError) for answer in answers)
    with pytest.raises(TargetError, match="closed"):
        ask(target, CHATS[:1])
    assert not any(thread.name.startswith("promptrl-local") and thread.is_alive() for thread in target._workers)


def test_a_cancelled_question_is_not_answered(nano: LocalTarget) -> None:
    """Cancelling one question leaves the others answered."""

    async def cancel_one() -> list[Any]:
        asked = [asyncio.ensure_future(nano.complete(messages, {"max_tokens": 8})) for messages in CHATS[:8]]
        await asyncio.sleep(0)
        asked[3].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(cancel_one())
    assert isinstance(answers[3], asyncio.CancelledError)
    assert all(isinstance(answer, Completion) for i, answer in enumerate(answers) if i != 3)


def test_decoding_leaves_the_callers_threads_alone() -> None:
    """The training thread keeps its own number of torch threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    target = LocalTarget("nano", threads=2)
    ask(target, CHATS[:4], max_tokens=2)
    close(target)
    kept = torch.get_num_threads()
    torch.set_num_threads(before)
    assert kept == 3


def test_nothing_heavy_is_imported_on_the_way() -> None:
    """Importing the module loads neither torch nor transformers."""
    code = "import sys, promptrl.llm.targets.local; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
