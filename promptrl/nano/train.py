"""Train nano on its corpus: ``python -m promptrl.nano.train --out FOLDER``.

On a CPU two processes of one thread each share parameters and gradients in memory, which stays fast when other
programs use the machine (two threads of one process wait for each other inside every operation). With a GPU one process
does all. The documents are made while training runs, so none is seen twice. The length of a run is given in minutes;
the learning rate follows the share of the time that has passed. A run that was stopped goes on from its last checkpoint
when it is started again with the same ``--out``.
"""

import argparse
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Barrier
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from promptrl.nano import WEIGHTS
from promptrl.nano.corpus import make_document, render
from promptrl.nano.model import Nano, NetworkShape
from promptrl.nano.tokenizer import save_tokenizer, train_tokenizer

CHUNK = 3000  # documents made at once, sorted into batches of similar length
WARM_UP_STEPS = 60

TokenBatch = tuple[Tensor, Tensor]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, ``sys.argv`` unless arguments are given; wrong ones end the process with code 2."""
    parser = argparse.ArgumentParser(description="Train nano on its own corpus.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the checkpoints")
    parser.add_argument("--init", type=Path, help="start from the weights in this folder instead of from scratch")
    parser.add_argument(
        "--new-tokenizer", action="store_true", help="train a tokenizer instead of keeping the shipped one"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the run")
    parser.add_argument("--processes", type=int, default=2, help="processes on a CPU")
    parser.add_argument("--tokens", type=int, help="tokens of a batch and process (2048 on a CPU, 16384 on a GPU)")
    parser.add_argument("--lr", type=float, default=0.012, help="learning rate of Muon (matrices)")
    parser.add_argument("--adam-lr", type=float, default=2e-3, help="learning rate of AdamW (the rest)")
    parser.add_argument("--decay", type=float, default=0.5, help="share of the run in which the rate falls to zero")
    parser.add_argument("--save-minutes", type=float, default=2.0, help="time between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def batches(
    tokenizer: Tokenizer, positions: int, tokens: int, seed: str, first_chunk: int
) -> Iterator[tuple[int, TokenBatch]]:
    """Give (chunk, (ids, learn)) for ever; both tensors have the shape (documents, time)."""
    chunk = first_chunk
    while True:
        rng = Random(f"{seed} {chunk}")
        documents = [render(d.system, d.turns) for d in (make_document(rng) for _ in range(CHUNK))]
        encoded = iter(tokenizer.encode_batch([text for d in documents for text, _ in d], add_special_tokens=False))
        rows: list[tuple[list[int], list[bool]]] = []
        for document in documents:
            ids: list[int] = []
            learn: list[bool] = []
            for _, learned in document:
                piece = next(encoded).ids
                ids += piece
                learn += [learned] * len(piece)
            if any(learn) and len(ids) <= positions:
                rows.append((ids, learn))
        for batch in _bucket(rows, tokens, rng):
            yield chunk, batch
        chunk += 1


def _bucket(rows: list[tuple[list[int], list[bool]]], tokens: int, rng: Random) -> list[TokenBatch]:
    rows.sort(key=lambda row: len(row[0]) + rng.random())
    out, i = [], 0
    while i < len(rows):
        n = max(4, tokens // len(rows[min(i + 8, len(rows) - 1)][0]))
        part = rows[i : i + n]
        i += n
        ids = np.zeros((len(part), max(len(row[0]) for row in part)), np.int64)
        learn = np.zeros(ids.shape, bool)
        for r, (row_ids, row_learn) in enumerate(part):
            ids[r, : len(row_ids)] = row_ids
            learn[r, : len(row_learn)] = row_learn
        out.append((torch.from_numpy(ids), torch.from_numpy(learn)))
    rng.shuffle(out)
    return out


def loss_of(model: Nano, ids: Tensor, learn: Tensor) -> Tensor:
    """Give the mean cross-entropy of the tokens to learn."""
    table = model.table()
    wanted = learn[:, 1:]
    hidden = model(ids[:, :-1], table)
    return F.cross_entropy(F.linear(hidden[wanted], table), ids[:, 1:][wanted])


def split_parameters(model: Nano) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Give the matrices (for Muon) and the rest (for AdamW)."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name != "embedding"]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or name == "embedding"]
    return matrices, rest


class Trainer:
    """One process of the training; process ``rank`` of ``len(gradients)`` updates its share of the matrices.

    ``weights`` is the flat parameter vector and ``gradients`` one row per process, both in shared memory; a row ends
    with the seconds passed and the loss.
    """

    def __init__(self, rank: int, options: argparse.Namespace, weights: Tensor, gradients: Tensor, barrier: Barrier):
        self.rank, self.options, self.barrier, self.gradients = rank, options, barrier, gradients
        self.processes, self.device = len(gradients), weights.device
        self.tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
        torch.manual_seed(options.seed)
        self.model = Nano(NetworkShape(vocabulary=self.tokenizer.get_vocab_size()), self.tokenizer).to(self.device)
        if options.init:
            self.model.load(options.init)
        self.parameters = list(self.model.parameters())
        self._share(weights)
        matrices, rest = split_parameters(self.model)
        self.muon = torch.optim.Muon(
            matrices[rank :: self.processes],
            lr=options.lr, momentum=0.95, nesterov=True, weight_decay=0.01, adjust_lr_fn="original",
        )  # fmt: skip
        self.adam = torch.optim.AdamW(rest, lr=options.adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.step = self.chunk = 0
        self.seconds = 0.0

    def _share(self, weights: Tensor) -> None:
        i = 0
        for p in self.parameters:
            shared = weights[i : i + p.numel()].view(p.shape)
            i += p.numel()
            if self.rank == 0:
                shared.copy_(p.data)
            self.barrier.wait()
            p.data = shared

    def run(self) -> None:
        """Train until the time is up, then write the weights."""
        self._resume()
        options, started, losses = self.options, time.monotonic() - self.seconds, []
        tokens = options.tokens or (16384 if self.device.type == "cuda" else 2048)
        source = batches(self.tokenizer, self.model.shape.positions, tokens, f"{options.seed} {self.rank}", self.chunk)
        saved, seen, passed = self.seconds, 0, self.seconds / (60 * options.minutes)
        for self.chunk, (ids, learn) in source:
            self._set_rate(passed)
            seconds, loss = self._update(ids.to(self.device), learn.to(self.device), time.monotonic() - started)
            self.step, self.seconds, passed = self.step + 1, seconds, seconds / (60 * options.minutes)
            losses.append(loss)
            seen += ids.numel() * self.processes
            if self.rank == 0 and self.step % 100 == 0:
                recent = sum(losses[-100:]) / len(losses[-100:])
                print(f"step {self.step} {seconds:.0f} s {seen / 1e6:.2f} Mtok loss {recent:.4f}", flush=True)
            if seconds - saved > 60 * options.save_minutes or passed >= 1:
                saved = seconds
                self._save()
            if passed >= 1:
                break

    def _set_rate(self, passed: float) -> None:
        scale = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        scale *= min(1.0, max(0.01, (1 - passed) / self.options.decay))
        self.muon.param_groups[0]["lr"] = self.options.lr * scale
        self.adam.param_groups[0]["lr"] = self.options.adam_lr * scale

    def _update(self, ids: Tensor, learn: Tensor, seconds: float) -> tuple[float, float]:
        """Make one step together with the other processes; give the mean seconds and loss."""
        loss = loss_of(self.model, ids, learn)
        for p in self.parameters:
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        own = self.gradients[self.rank]
        own[:-2] = torch.cat([cast(Tensor, p.grad).flatten() for p in self.parameters])
        own[-2], own[-1] = seconds, loss.detach()
        self.barrier.wait()
        mean = self.gradients.mean(0)
        self.barrier.wait()
        mean[:-2] *= (1 / mean[:-2].norm()).clamp(max=1.0)
        i = 0
        for p in self.parameters:
            p.grad = mean[i : i + p.numel()].view(p.shape)
            i += p.numel()
        self.muon.step()  # type: ignore[no-untyped-call]  # torch has no types here
        if self.rank == 0:
            self.adam.step()
        self.barrier.wait()
        return float(mean[-2]), float(mean[-1])

    def _save(self) -> None:
        """Write this process's checkpoint and, as process 0, the weights so far."""
        out: Path = self.options.out
        state = {"step": self.step, "seconds": self.seconds, "chunk": self.chunk, "muon": self.muon.state_dict()}
        if self.rank == 0:
            state |= {"adam": self.adam.state_dict(), "model": self.model.state_dict()}
            self.model.save(out)
        temporary = out / f"checkpoint-{self.rank}.tmp"
        torch.save(state, temporary)
        temporary.replace(out / f"checkpoint-{self.rank}.pt")
        self.barrier.wait()

    def _resume(self) -> None:
        path = self.options.out / f"checkpoint-{self.rank}.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.step, self.seconds, self.chunk = state["step"], state["seconds"], state["chunk"] + 1
            self.muon.load_state_dict(state["muon"])
            if self.rank == 0:
                self.adam.load_state_dict(state["adam"])
                self.model.load_state_dict(state["model"])
                print(f"resumed at step {self.step}, {self.seconds:.0f} s", flush=True)
        self.barrier.wait()


def run_process(rank: int, options: argparse.Namespace, weights: Tensor, gradients: Tensor, barrier: Barrier) -> None:
    """Run one process of the training."""
    torch.set_num_threads(1)
    Trainer(rank, options, weights, gradients, barrier).run()


def prepare_tokenizer(options: argparse.Namespace) -> None:
    """Put the tokenizer of the run into its folder, unless an earlier start did.

    Raises:
        SystemExit: Weights to start from need the tokenizer they were trained with.
    """
    if options.new_tokenizer and options.init:
        raise SystemExit("--new-tokenizer and --init exclude each other")
    options.out.mkdir(parents=True, exist_ok=True)
    if (options.out / "tokenizer.json").exists():
        return
    if options.new_tokenizer:
        save_tokenizer(train_tokenizer(), options.out, NetworkShape().positions)
        return
    for name in ("tokenizer_config.json", "tokenizer.json"):
        shutil.copyfile((options.init or WEIGHTS) / name, options.out / name)


def shared_state(options: argparse.Namespace, processes: int, device: str = "cpu") -> tuple[Tensor, Tensor, Barrier]:
    """Make what the processes share: the weights, the gradients and a barrier."""
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    size = sum(p.numel() for p in Nano(NetworkShape(vocabulary=tokenizer.get_vocab_size()), tokenizer).parameters())
    weights, gradients = torch.zeros(size, device=device), torch.zeros(processes, size + 2, device=device)
    if processes == 1:
        return weights, gradients, Barrier(1)
    weights.share_memory_()  # type: ignore[no-untyped-call]  # torch has no types here
    gradients.share_memory_()  # type: ignore[no-untyped-call]  # torch has no types here
    return weights, gradients, cast(Barrier, multiprocessing.get_context("spawn").Barrier(processes))


def main(arguments: list[str] | None = None) -> None:
    """Train as the command line says."""
    options = parse_arguments(arguments)
    prepare_tokenizer(options)
    if torch.cuda.is_available():
        run_process(0, options, *shared_state(options, 1, "cuda"))
        return
    state = shared_state(options, options.processes)
    spawn(run_process, args=(options, *state), nprocs=options.processes)  # type: ignore[no-untyped-call]  # torch has no types here


if __name__ == "__main__":
    main()
