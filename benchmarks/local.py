"""Completions a second of the local target with nano, beside transformers' own generate in the same run.

``python -m benchmarks.local [--n 512] [--batch 64] [--threads N]``: prompts of about 80 tokens, at most 32 new
ones, greedy, all asked at once; instructions alone and with two demonstrations. The first batches warm up, uncounted.
generate runs with one torch thread and with all; the ratio is to the better. On a busy machine read the ratio.
"""

import argparse
import asyncio
import os
import time
from typing import Any

import torch

from promptrl.llm.base import Message, Messages
from promptrl.llm.targets.local import LocalTarget
from promptrl.nano import WEIGHTS, inputs

INSTRUCTIONS = (
    "You are a careful assistant. Solve the word problem. Think step by step. "
    'End with "Answer:" followed by the result.'
)
MAX_TOKENS = 32


def chats(n: int, n_demonstrations: int) -> list[Messages]:
    """Questions with equal instructions and demonstrations."""
    rows = inputs.generate("arithmetic", n + n_demonstrations, seed=1)
    solved = rows[:n_demonstrations]
    beginning = [Message("system", INSTRUCTIONS)]
    for row in solved:
        answer = f"{row['steps']} Answer: {row['answer']}"
        beginning += [Message("user", row["question"]), Message("assistant", answer)]
    return [(*beginning, Message("user", row["question"])) for row in rows[n_demonstrations:]]


def ask(target: LocalTarget, questions: list[Messages]) -> float:
    """Seconds to answer all."""

    async def gather() -> None:
        await asyncio.gather(*(target.complete(question, {"max_tokens": MAX_TOKENS}) for question in questions))

    start = time.perf_counter()
    asyncio.run(gather())
    return time.perf_counter() - start


def render(tokenizer: Any, questions: list[Messages]) -> list[str]:
    """The prompts as text."""
    turns = [[{"role": message.role, "content": message.content} for message in question] for question in questions]
    return [tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) for turn in turns]


def generate(model: Any, tokenizer: Any, questions: list[Messages], batch_size: int) -> float:
    """Seconds that transformers' generate takes: sorted by length, padded on the left."""
    start = time.perf_counter()
    texts = sorted(render(tokenizer, questions), key=len)
    for i in range(0, len(texts), batch_size):
        batch = tokenizer(texts[i : i + batch_size], padding=True, return_tensors="pt", return_token_type_ids=False)
        output = model.generate(**batch, do_sample=False, max_new_tokens=MAX_TOKENS, pad_token_id=0)
        tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    target = LocalTarget(batch_size=arguments.batch, threads=arguments.threads)
    print(
        f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, batch {arguments.batch}, {arguments.n} prompts"
    )
    print("demonstrations  prompt tokens   local /s   generate /s: 1 thread      all   ratio")
    for n_demonstrations in (0, 2):
        questions = chats(arguments.n, n_demonstrations)
        ask(target, questions[: 2 * arguments.batch])
        local = arguments.n / ask(target, questions)
        plain = []
        for n_threads in (1, os.cpu_count() or 1):
            torch.set_num_threads(n_threads)
            some = questions[: 2 * arguments.batch]
            plain.append(len(some) / generate(model, tokenizer, some, arguments.batch))
        n_tokens = sum(len(ids) for ids in tokenizer(render(tokenizer, questions))["input_ids"]) / len(questions)
        print(
            f"{n_demonstrations:14d}  {n_tokens:13.0f}  {local:9.0f}  {plain[0]:21.0f}  {plain[1]:7.0f}  "
            f"{local / max(plain):6.2f}"
        )


if __name__ == "__main__":
    main()
