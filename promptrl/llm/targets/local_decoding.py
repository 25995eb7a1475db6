"""Batched decoding with a Hugging Face causal language model: how many prompts become answers together.

Rows that begin alike (the same instructions and demonstrations before different inputs) have that beginning computed
once; a finished row leaves the batch at once. Numbers are those of one row alone up to float rounding. Imports torch
and transformers: reached through ``local.py`` only.
"""

import inspect
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer

from promptrl.llm.targets.local_checkpoint import Checkpoint
from promptrl.llm.targets.local_sampling import Sampling


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One tokenised prompt.

    Attributes:
        ids: Token ids, at least one.
        group: Rows of equal group probably share a beginning; it costs time, not truth, when they don't.
        sampling: How to go on.
    """

    ids: tuple[int, ...]
    group: Hashable
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class DecodedAnswer:
    """What a row became: its text, its number of new tokens (without the end token), and why it ended."""

    text: str
    n_tokens: int
    finish_reason: str


class _ReservedLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers has no types here
    """Keys and values of one layer, written into space reserved once: appending copies no old column.

    Buffers have shape (rows, heads, columns, head size); ``keys`` and ``values`` are views of the filled part.
    """

    def __init__(self, n_rows: int, n_columns: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.n_rows, self.n_columns, self.n_filled = n_rows, n_columns, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self._buffers = tuple(
            states.new_empty(self.n_rows, states.shape[1], self.n_columns, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        n_rows, start, end = key_states.shape[0], self.n_filled, self.n_filled + key_states.shape[2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:n_rows, :, start:end] = states
        self.n_filled = end
        return self._view(n_rows)

    def spread(self, sources: torch.Tensor) -> None:
        """Make row i a copy of what row ``sources[i]`` is now."""
        for buffer in self._buffers:
            buffer[:, :, : self.n_filled] = buffer[sources, :, : self.n_filled]
        self._view(len(sources))

    def keep(self, moves: Sequence[tuple[int, int]], n_rows: int) -> None:
        """Copy rows (source, destination), then forget all but the first ``n_rows``."""
        for buffer in self._buffers:
            for source, destination in moves:
                buffer[destination, :, : self.n_filled] = buffer[source, :, : self.n_filled]
        self._view(n_rows)

    def _view(self, n_rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = (buffer[:n_rows, :, : self.n_filled] for buffer in self._buffers)
        return self.keys, self.values


@torch.inference_mode()
def decode(checkpoint: Checkpoint, rows: Sequence[BatchRow], on_answer: Callable[[int, DecodedAnswer], None]) -> None:
    """Continue all rows; each answer is handed out when it is there, by the row's position.

    Args:
        checkpoint: Model and tokenizer.
        rows: Prompts, each shorter than the model's context; an answer ends where the context does.
        on_answer: Called once per row, in this thread.
    """
    streams = [_Stream(checkpoint, row) for row in rows]
    batch = _Batch(checkpoint.network, rows, n_answer_columns=max(stream.limit for stream in streams))
    logits = batch.read_prompts()
    alive = list(range(len(rows)))
    while True:
        tokens: list[int] = logits.argmax(-1).tolist()
        finished = []
        for place, i in enumerate(alive):
            tokens[place] = streams[i].choose(logits[place], tokens[place])
            answer = streams[i].extend(tokens[place])
            if answer is not None:
                finished.append(place)
                on_answer(i, answer)
        if len(finished) == len(alive):
            return
        alive, tokens = batch.drop(finished, alive, tokens)
        logits = batch.read_tokens(tokens)


class _Stream:
    """The answer of one row so far, and its source of chance."""

    def __init__(self, checkpoint: Checkpoint, row: BatchRow) -> None:
        self.limit = min(row.sampling.max_tokens, checkpoint.context - len(row.ids))
        self._checkpoint = checkpoint
        self._sampling = row.sampling
        self._ids: list[int] = []
        seed = row.sampling.seed
        entropy = None if seed is None else [seed % 2**64, zlib.crc32(np.asarray(row.ids, dtype="<i8").tobytes())]
        self._rng = np.random.default_rng(entropy)

    def choose(self, logits: torch.Tensor, most_likely: int) -> int:
        """The next token; ``logits`` has shape (vocabulary,).

        With a temperature it is drawn from the fewest tokens that hold ``top_p`` of the mass (Holtzman et al. 2020).
        """
        if self._sampling.temperature == 0:
            return most_likely
        mass, order = torch.softmax(logits.double() / self._sampling.temperature, -1).sort(descending=True, stable=True)
        cumulative = mass.cumsum(-1).numpy()
        nucleus = cumulative[: int(np.searchsorted(cumulative, self._sampling.top_p)) + 1]
        drawn = int(np.searchsorted(nucleus, self._rng.random() * nucleus[-1], side="right"))
        return int(order[min(drawn, len(nucleus) - 1)])

    def extend(self, token: int) -> DecodedAnswer | None:
        """Append a token; the whole answer if that ended it."""
        if token in self._checkpoint.end_ids:
            return self._answer("stop")
        self._ids.append(token)
        if self._sampling.stop:
            text = self._text()
            cuts = [at for at in map(text.find, self._sampling.stop) if at >= 0]
            if cuts:
                return DecodedAnswer(text[: min(cuts)].strip(), len(self._ids), "stop")
        return self._answer("length") if len(self._ids) == self.limit else None

    def _answer(self, finish_reason: str) -> DecodedAnswer:
        return DecodedAnswer(self._text().strip(), len(self._ids), finish_reason)

    def _text(self) -> str:
        return str(self._checkpoint.tokenizer.decode(self._ids, skip_special_tokens=True))


class _Batch:
    """The attention cache of a batch, laid out as [beginning, padded right][rest, padded left][answer].

    A row's padding lies between its two parts: it is masked, and positions count real tokens only. So every row's last
    prompt token is in one column, and no column has only padding to look back on.
    """

    def __init__(self, network: Any, rows: Sequence[BatchRow], n_answer_columns: int) -> None:
        self._network = network
        self._prefixes, self._prefix_of = _shared_prefixes(rows)
        starts = [len(self._prefixes[p]) for p in self._prefix_of]
        self._rests = [list(row.ids[start:]) for row, start in zip(rows, starts, strict=True)]
        self._width, self._rest_width = max(starts), max(map(len, self._rests))
        self._end = self._width + self._rest_width
        n_columns = self._end + n_answer_columns
        n_layers = network.config.get_text_config().num_hidden_layers
        self._layers = [_ReservedLayer(len(rows), n_columns) for _ in range(n_layers)]
        self._cache = Cache(layers=list(self._layers))
        has_new_name = "cache" in inspect.signature(network.forward).parameters
        self._cache_name = "cache" if has_new_name else "past_key_values"  # of transformers before 5.24
        self._mask = torch.zeros(len(rows), n_columns, dtype=torch.long)
        for mask, start, rest in zip(self._mask, starts, self._rests, strict=True):
            mask[:start] = 1
            mask[self._end - len(rest) :] = 1
        self._lengths = torch.tensor([len(row.ids) for row in rows])

    def read_prompts(self) -> torch.Tensor:
        """Compute every prompt; gives the logits after it, shape (rows, vocabulary)."""
        if self._width:
            padded = torch.tensor([[*p, *[0] * (self._width - len(p))] for p in self._prefixes])
            mask = torch.tensor([[*[1] * len(p), *[0] * (self._width - len(p))] for p in self._prefixes])
            self._forward(padded, mask, torch.arange(self._width).expand_as(padded))
            for layer in self._layers:
                layer.spread(torch.tensor(self._prefix_of))
        padded = torch.tensor([[*[0] * (self._rest_width - len(rest)), *rest] for rest in self._rests])
        positions = self._lengths[:, None] - self._rest_width + torch.arange(self._rest_width)
        return self._forward(padded, self._mask[:, : self._end], positions.clamp(min=0))

    def read_tokens(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; gives the logits after it, shape (rows, vocabulary)."""
        self._end += 1
        self._lengths += 1
        return self._forward(torch.tensor(tokens)[:, None], self._mask[:, : self._end], self._lengths[:, None] - 1)

    def drop(self, places: Sequence[int], *lists: list[int]) -> list[list[int]]:
        """Remove rows; the last rows move into the gaps, in the cache and in ``lists``."""
        n_rows = len(self._mask) - len(places)
        gaps = [place for place in places if place < n_rows]
        gone = set(places)
        moves = list(zip((place for place in range(n_rows, len(self._mask)) if place not in gone), gaps, strict=True))
        for source, destination in moves:
            for items in (self._mask, self._lengths, *lists):
                items[destination] = items[source]  # type: ignore[index]  # some tensors, some lists
        self._mask, self._lengths = self._mask[:n_rows], self._lengths[:n_rows]
        if places:
            for layer in self._layers:
                layer.keep(moves, n_rows)
        return [items[:n_rows] for items in lists]

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        output = self._network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: self._cache},
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _shared_prefixes(rows: Sequence[BatchRow]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The beginnings to compute once, and each row's index into them.

    A row that shares with no other is cut where the longest shared beginning ends, so that it widens no padding.
    """
    members: dict[Hashable, list[int]] = {}
    for i, row in enumerate(rows):
        members.setdefault(row.group, []).append(i)
    lengths = {g: _common_length([rows[i].ids for i in places]) for g, places in members.items() if len(places) > 1}
    longest = max(lengths.values(), default=0)
    prefixes: list[tuple[int, ...]] = []
    prefix_of = [0] * len(rows)
    for group, places in members.items():
        length = lengths.get(group, min(longest, len(rows[places[0]].ids) - 1))
        for i in places:
            prefix_of[i] = len(prefixes)
        prefixes.append(rows[places[0]].ids[:length])
    return prefixes, prefix_of


def _common_length(sequences: Sequence[tuple[int, ...]]) -> int:
    """Length of the common beginning, leaving at least one token to each sequence."""
    first, last = min(sequences), max(sequences)
    limit = min(map(len, sequences)) - 1
    return next((i for i in range(limit) if first[i] != last[i]), limit)
