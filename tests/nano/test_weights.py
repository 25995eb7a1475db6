"""The shipped weights: small, loadable by Hugging Face, and better prompts get better answers."""

import pytest
import torch

from promptrl.nano import WEIGHTS
from promptrl.nano.decode import Decoder
from promptrl.nano.evaluate import accuracy, system_prompt
from promptrl.nano.inputs import held_out_inputs


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """Load the shipped weights once."""
    return Decoder(WEIGHTS)


def test_the_folder_is_small() -> None:
    """The weights stay under 10 MB."""
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 10_000_000


def test_more_complete_prompts_score_higher(decoder: Decoder) -> None:
    """Steps and a format beat a format, and a format beats none, on 64 inputs."""
    inputs = held_out_inputs("arithmetic", 64, 7)
    names = ("", "tag+no_unit", "steps+tag+no_unit")
    bare, form, steps = (accuracy(decoder, inputs, system_prompt("arithmetic", n), [])[0] for n in names)
    assert steps > form + 0.3
    assert form > bare


def test_decoding_agrees_with_transformers(decoder: Decoder) -> None:
    """The shared-prefix decoder gives what ``generate`` of the loaded Llama gives."""
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(WEIGHTS)
    inputs = [x.text for x in held_out_inputs("arithmetic", 4, 8)]
    system, shown = "Think step by step.", [("Tom has 3 pens. How many is that?", "3")]
    for text, answer in zip(inputs, decoder.complete(system, shown, inputs, 32), strict=True):
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": shown[0][0]},
            {"role": "assistant", "content": shown[0][1]},
            {"role": "user", "content": text},
        ]
        prompt = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            out = model.generate(**prompt, max_new_tokens=32, do_sample=False)
        assert tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True).strip() == answer
