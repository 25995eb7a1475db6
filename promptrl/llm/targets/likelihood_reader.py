"""Reads texts with a causal language model; imports torch: reached through ``likelihood.py`` only."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from promptrl.llm.base import Completion, Messages, refused
from promptrl.llm.targets.local_checkpoint import load_checkpoint


class LikelihoodTarget:
    """Tells how probable texts are; one at a time, in a thread of its own.

    Args:
        model: ``nano``, a folder in Hugging Face's layout, or the id of a model on the Hugging Face hub.

    Raises:
        ConfigError: As for ``LocalTarget``.
        TargetError: Likewise.
    """

    def __init__(self, model: str) -> None:
        self._checkpoint = load_checkpoint(model)
        self._thread = ThreadPoolExecutor(1, "promptrl-reader", initializer=partial(torch.set_num_threads, 1))

    @property
    def identity(self) -> str:
        """Kind, model and a hash of its weights and tokenizer."""
        return f"likelihood:{self._checkpoint.identity}"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """The mean negative log likelihood of the last message's tokens after the others; cut where the context ends.

        What leaves no room for it is the fault "context_overflow".
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, messages)

    async def aclose(self) -> None:
        """Wait for the text that is being read."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    @torch.inference_mode()
    def _read(self, messages: Messages) -> Completion:
        started = time.perf_counter()
        (before,) = self._checkpoint.tokenize([messages[:-1]])
        read = self._checkpoint.tokenizer(messages[-1].content, add_special_tokens=False)["input_ids"]
        read = read[: max(0, self._checkpoint.context - len(before))]
        if not read:
            return refused("context_overflow")
        logits = self._checkpoint.network(input_ids=torch.tensor([[*before, *read]])).logits
        loss = torch.nn.functional.cross_entropy(logits[0, len(before) - 1 : -1].double(), torch.tensor(read))
        n_tokens = len(before) + len(read)
        latency_s = time.perf_counter() - started
        return Completion(f"{float(loss):.6f}", n_tokens, 0, latency_s, 0.0, finish_reason="stop")
