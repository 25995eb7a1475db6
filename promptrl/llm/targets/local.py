"""The ``local`` target: a Hugging Face causal language model in this process; ``nano`` is the one in the package.

This file owns the worker threads that gather concurrent questions into batches; ``local_checkpoint.py`` loads the
model, ``local_decoding.py`` continues a batch. Neither torch nor transformers is imported before a ``LocalTarget`` is
made.
"""

import asyncio
import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from promptrl.errors import TargetError
from promptrl.llm.base import Completion, Messages, Target
from promptrl.llm.targets.definition import TargetDefinition
from promptrl.llm.targets.local_checkpoint import NANO, load_checkpoint
from promptrl.llm.targets.local_sampling import Sampling, parse_params
from promptrl.settings import Setting

if TYPE_CHECKING:
    from promptrl.llm.targets.local_decoding import DecodedAnswer

_GATHER_S = 0.003
_SMALL_PARAMETERS = 50_000_000
_SMALL_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTargetDefinition(TargetDefinition):
    """A Hugging Face causal language model in this process."""

    summary: ClassVar[str] = "A Hugging Face causal language model in this process."
    billing: ClassVar[Literal["free", "billed", "unknown"]] = "free"
    opens_slowly: ClassVar[bool] = True

    model: Annotated[
        str,
        Setting("`nano` (bundled), a Hugging Face id, or a folder, written with ./ or / before it.", min_length=1),
    ] = NANO
    batch_size: Annotated[
        int,
        Setting("Most prompts that are generated from together; twice as many are in flight.", ge=1, le=4096),
    ] = 64

    @property
    def can_write(self) -> bool:
        """Not nano, which can do its drills and nothing else."""
        return self.model != NANO

    @property
    def calls_in_flight(self) -> int:
        """One batch waits while another is generated."""
        return 2 * self.batch_size

    @property
    def paths(self) -> tuple[str, ...]:
        """The model, when it is a folder."""
        return ("model",) if self.model.startswith((".", "/", "~")) else ()

    def open(self, code_folder: Path | None) -> Target:
        """Load weights and tokenizer; torch and transformers are imported here."""
        return LocalTarget(self.model, batch_size=self.batch_size)


class LocalTarget:
    """A language model on this machine's processor.

    Questions asked at the same time are answered in batches, sorted so that equal beginnings and similar lengths come
    together; what else is in a batch changes an answer by float rounding at most. Parameters: ``max_tokens`` (default
    64), ``temperature`` (default 0: greedy), ``top_p``, ``seed`` (with temperature: the same question and seed has
    the same answer), ``stop``.

    Args:
        model: ``nano``, a folder in Hugging Face's layout, or the id of a model on the Hugging Face hub.
        batch_size: Rows decoded together at most; more questions than that must be asked at once to fill it.
        threads: Processor cores to use; default all, for a model under 50 million parameters at most 4. A small
            model decodes one batch per core, each with one torch thread: two threads on one batch of nano wait for
            each other at thousands of barriers a second, and on a busy 2-core machine that cost nine tenths of the
            speed (10 instead of 120 answers/s). A larger one decodes one batch with all threads. torch keeps
            the number per calling thread, so SB3's training in the main thread is not affected.

    Raises:
        ConfigError: No such model, no safetensors in it, layers that can't be batched, or transformers is not
            installed; key ``target.model``.
        TargetError: The Hugging Face hub can't be reached.
    """

    def __init__(self, model: str = NANO, *, batch_size: int = 64, threads: int | None = None) -> None:
        self._checkpoint = load_checkpoint(model)
        self._batch_size = batch_size
        is_small = self._checkpoint.network.num_parameters() < _SMALL_PARAMETERS
        n_cores = threads or (min(_n_cores(), _SMALL_WORKERS) if is_small else _n_cores())
        self._n_torch_threads = 1 if is_small else n_cores
        self._pending: list[_Question] = []
        self._changed = threading.Condition()
        self._n_idle = 0
        self._is_closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"promptrl-local-{i}", daemon=True)
            for i in range(n_cores if is_small else 1)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def identity(self) -> str:
        """Kind, model and a hash of its weights, tokenizer and chat template."""
        return f"local:{self._checkpoint.identity}"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Ask once; concurrent calls share batches.

        Raises:
            ConfigError: A parameter is unknown or out of range; key ``target.params.NAME``.
            TargetError: The model failed, or the target is closed.
        """
        loop = asyncio.get_running_loop()
        question = _Question(messages, parse_params(params), loop, loop.create_future())
        with self._changed:
            if self._is_closed:
                raise TargetError("the local model is closed")
            self._pending.append(question)
            self._changed.notify()
        return await question.future

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """As ``complete``; without a seed of its own, the number of the repeat is the seed, so that runs repeat."""
        seeded = params if params.get("seed") is not None else {**params, "seed": repeat}
        return await self.complete(messages, seeded)

    async def aclose(self) -> None:
        """End the workers after the batches under way; what still waits fails with TargetError."""
        with self._changed:
            self._is_closed = True
            waiting, self._pending = self._pending, []
            self._changed.notify_all()
        for question in waiting:
            question.fail(TargetError("the local model is closed"))
        for worker in self._workers:
            await asyncio.to_thread(worker.join)

    def _work(self) -> None:
        import torch

        torch.set_num_threads(self._n_torch_threads)
        while questions := self._take():
            try:
                self._answer(questions)
            except Exception as error:
                fault = TargetError(f"the local model failed: {type(error).__name__}: {error}")
                for question in questions:
                    question.fail(fault)

    def _take(self) -> "list[_Question]":
        """This worker's share of what waits, once a batch is full or no more comes in; empty at the end.

        It holds the oldest question and those that are most like it.
        """
        with self._changed:
            self._n_idle += 1
            n_before = -1
            while not self._is_closed and (not self._pending or n_before < len(self._pending) < self._batch_size):
                n_before = len(self._pending)
                self._changed.wait(_GATHER_S if self._pending else None)
            share = min(self._batch_size, math.ceil(len(self._pending) / self._n_idle))
            self._n_idle -= 1
            if not self._pending:
                return []
            oldest = self._pending[0]
            alike = sorted(self._pending, key=lambda question: question.order)
            start = min(alike.index(oldest), len(alike) - share)
            taken = alike[start : start + share]
            chosen = set(map(id, taken))
            self._pending = [question for question in self._pending if id(question) not in chosen]
        return taken

    def _answer(self, questions: "Sequence[_Question]") -> None:
        """Answer one batch."""
        from promptrl.llm.targets.local_decoding import BatchRow, decode

        batch: list[tuple[_Question, BatchRow]] = []
        for question, ids in zip(questions, self._checkpoint.tokenize([q.messages for q in questions]), strict=True):
            if question.future.cancelled():
                continue
            if len(ids) < self._checkpoint.context:
                batch.append((question, BatchRow(ids, question.messages[:-1], question.sampling)))
            else:
                question.succeed(
                    Completion("", len(ids), 0, cost_usd=0.0, finish_reason="length", fault="context_overflow")
                )
        started = time.perf_counter()

        def hand_out(i: int, answer: "DecodedAnswer") -> None:
            question, row = batch[i]
            question.succeed(
                Completion(
                    answer.text,
                    prompt_tokens=len(row.ids),
                    completion_tokens=answer.n_tokens,
                    latency_s=time.perf_counter() - started,
                    cost_usd=0.0,
                    finish_reason=answer.finish_reason,
                    fault=None if answer.text else "empty",
                )
            )

        if batch:
            decode(self._checkpoint, [row for _, row in batch], hand_out)


@dataclass(frozen=True, slots=True)
class _Question:
    """One question on its way from the event loop to the worker and back."""

    messages: Messages
    sampling: Sampling
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Completion]

    @property
    def order(self) -> tuple[list[str], int]:
        """Sorts equal instructions and demonstrations together, then by length."""
        *beginning, last = (message.content for message in self.messages)
        return beginning, len(last)

    def succeed(self, completion: Completion) -> None:
        """Hand the completion to the event loop that waits for it."""
        self._settle(lambda: self.future.set_result(completion))

    def fail(self, error: Exception) -> None:
        """Raise the error where the question was asked, unless it was answered."""
        self._settle(lambda: self.future.set_exception(error))

    def _settle(self, settle: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits for this answer
            self.loop.call_soon_threadsafe(lambda: None if self.future.done() else settle())


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
