"""The tokenizer of nano: byte-level BPE in which every number below 100 is one token, and its chat template.

The template renders exactly what ``corpus.render`` writes; a user message opens the assistant's turn by itself.
"""

import json
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from promptrl.nano.corpus import ASSISTANT, END, SYSTEM, USER, make_document
from promptrl.nano.inputs import CITIES, DAYS, ITEMS, NAMES, WORDS

PAD = "<|pad|>"
CHAT_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|sys|>{% endif %}{% for m in messages %}{% if m['role']=='system' %}"
    "<|sys|>{% if m['content'] %} {{m['content']}}{% endif %}{% elif m['role']=='user' %}<|user|> {{m['content']}}"
    "<|bot|>{% else %} {{m['content']}}<|end|>{% endif %}{% endfor %}"
)


def train_tokenizer(documents: int = 30_000, vocabulary: int = 2200, seed: int = 7) -> Tokenizer:
    """Train a tokenizer on fresh documents; numbers and quoted names are repeated so that each gets its own token."""
    rng, texts = Random(seed), []
    for _ in range(documents):
        document = make_document(rng)
        texts.append(document.system)
        texts += [text for turn in document.turns[:2] for text in (turn.user, turn.assistant)]
    texts += [str(n) for n in range(100)] * 300
    texts += [f'"{word}"' for words in (NAMES, CITIES, ITEMS, WORDS, DAYS) for word in words] * 250
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d{1,2}"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, positions: int) -> None:
    """Write tokenizer.json and tokenizer_config.json as ``AutoTokenizer`` reads them, chat template included."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "model_max_length": positions,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
