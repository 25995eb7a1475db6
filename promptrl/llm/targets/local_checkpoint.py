"""Models on disk: finding a Hugging Face folder, loading it safely, rendering chats for it.

Only safetensors are read and no code of a model is run. Neither torch nor transformers is imported before
``load_checkpoint`` is called.
"""

import contextlib
import hashlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import Messages
from promptrl.nano import WEIGHTS

NANO = "nano"
_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model ready to decode.

    Attributes:
        network: The causal language model, float32, evaluation mode.
        tokenizer: Its tokenizer.
        context: Tokens that prompt and answer may have together.
        end_ids: Tokens that end an answer.
        identity: Name and a hash of every file that decides the answers.
    """

    network: Any
    tokenizer: Any
    context: int
    end_ids: tuple[int, ...]
    identity: str

    def tokenize(self, chats: list[Messages]) -> list[tuple[int, ...]]:
        """Token ids of each chat, up to where the answer begins."""
        texts = [self._render(messages) for messages in chats]
        return [tuple(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def _render(self, messages: Messages) -> str:
        """By the model's chat template; for a model without one the contents with blank lines between."""
        if not self.tokenizer.chat_template:
            return "\n\n".join(message.content for message in messages) + "\n\n"
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._apply_template(turns)
        except TemplateError:  # some templates (Gemma's) know no instructions: they go before the first question
            if len(turns) < 2 or turns[0]["role"] != "system":
                raise
            merged = {"role": turns[1]["role"], "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
            return self._apply_template([merged, *turns[2:]])

    def _apply_template(self, turns: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def load_checkpoint(model: str) -> Checkpoint:
    """Load ``nano``, a folder in Hugging Face's layout, or a model of the Hugging Face hub, downloaded once.

    Raises:
        ConfigError: No such model, no safetensors in it, layers that can't be batched, or transformers is not
            installed; key ``target.model``.
        TargetError: The hub can't be reached.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise _problem(model, "the local target needs transformers", "pip install 'promptrl[local]'") from error
    with _silence():
        folder = _find(model)
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            network: Any = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            raise _problem(model, f"can't be loaded: {str(error).strip().splitlines()[0]}") from error
    _check_layers(model, network)
    ends = network.generation_config.eos_token_id
    end_ids = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
    text_config = network.config.get_text_config()
    return Checkpoint(
        network=network.eval(),
        tokenizer=tokenizer,
        context=min(getattr(text_config, "max_position_embeddings", None) or 10**9, tokenizer.model_max_length),
        end_ids=tuple(sorted(end_ids)),
        identity=f"{folder.name if folder == Path(model) else model}:{_hash(folder)}",
    )


def _problem(model: str, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem("target.model", f"{model}: {message}", hint)])


def _find(model: str) -> Path:
    """The folder with the model's files; a hub id is downloaded to Hugging Face's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    if model == NANO:
        return WEIGHTS
    if Path(model).is_dir():
        return Path(model)
    if not _HUB_ID.fullmatch(model):
        raise _problem(model, "no such folder, and not a Hugging Face id")
    try:
        return Path(snapshot_download(model, allow_patterns=list(_FILES), ignore_patterns=["*/*"]))
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as error:
        raise _problem(model, "no such folder, and not a Hugging Face model that can be read") from error
    except Exception as error:
        raise TargetError(f"{model}: not on this machine and the Hugging Face hub can't be reached") from error


def _check_layers(model: str, network: Any) -> None:
    from transformers.cache_utils import DynamicCache, DynamicLayer

    layers = DynamicCache(config=network.config).layers
    if any(type(layer) is not DynamicLayer for layer in layers):
        hint = "serve it over HTTP and use type: openai"
        raise _problem(model, "has sliding or recurrent layers, which can't be batched here", hint)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No progress bars and no advice from transformers: the console is ours."""
    import huggingface_hub.utils
    import transformers.utils

    hub: Any = huggingface_hub.utils
    chatter: Any = transformers.utils.logging
    hub.disable_progress_bars()
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _hash(folder: Path) -> str:
    """12 hex digits over the files that decide the answers."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _FILES for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:12]
