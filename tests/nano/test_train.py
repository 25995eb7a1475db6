"""The training script: it runs, writes a Hugging Face folder, and goes on where it stopped."""

import json
from pathlib import Path

import pytest

from promptrl.nano import WEIGHTS, tokenizer, train
from promptrl.nano.decode import Decoder


def test_a_run_resumes_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short run leaves loadable weights; started again with more time it goes on at the same step."""
    monkeypatch.setattr(train, "CHUNK", 40)
    monkeypatch.setattr(train.torch.cuda, "is_available", lambda: False)
    options = train.parse_arguments(["--out", str(tmp_path), "--init", str(WEIGHTS), "--minutes", "0.01"])
    train.prepare_tokenizer(options)
    first = train.Trainer(0, options, *train.shared_state(options, processes=1))
    first.run()
    assert first.step > 0
    assert Decoder(tmp_path).complete("", [], ["Tom has 3 pens. How many is that?"], 4)
    options.minutes = 0.02
    second = train.Trainer(0, options, *train.shared_state(options, processes=1))
    second.run()
    assert second.step > first.step
    assert second.chunk > first.chunk


def test_a_new_tokenizer_gives_every_small_number_one_token(tmp_path: Path) -> None:
    """A tokenizer trained from nothing keeps the numbers below 100 whole and reads back what it wrote."""
    made = tokenizer.train_tokenizer(documents=300)
    assert all(len(made.encode(str(n)).ids) == 1 for n in range(100))
    text = 'Anna has 17 apples. {"name": "Anna"}'
    assert made.decode(made.encode(text).ids) == text
    tokenizer.save_tokenizer(made, tmp_path, 384)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["chat_template"] == shipped_template()


def test_starting_weights_keep_their_tokenizer(tmp_path: Path) -> None:
    """A new tokenizer under old weights is refused."""
    options = train.parse_arguments(["--out", str(tmp_path), "--init", str(WEIGHTS), "--new-tokenizer"])
    with pytest.raises(SystemExit, match="exclude"):
        train.prepare_tokenizer(options)


def shipped_template() -> str:
    """Give the chat template of the shipped weights."""
    return str(json.loads((WEIGHTS / "tokenizer_config.json").read_text())["chat_template"])
