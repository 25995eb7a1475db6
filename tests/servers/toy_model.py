"""A target with rules that a test can see through, for tests of everything around a model."""

from pathlib import Path

CONFIG = """\
name: toy
target: {type: python, function: "tests.servers.toy_model:answer", params: {temperature: 0, max_tokens: 8}}
prompt:
  user: "{question}"
  slots:
    role: ["", "You are a pirate."]
    task: ["Look at this.", "Add the numbers.", "Name a fruit."]
    format: ["", "Reply with digits only.", "Reply in words."]
    mood: ["", "Be chatty."]
edits: {bank: none}
dataset: {path: sums.csv, input: question, reference: sum}
reward: {metrics: [{type: exact_match}]}
algorithm: {name: maskable_ppo, n_envs: 4, rows_per_prompt: 4}
budget: {max_calls: 900}
"""


def answer(messages: list[dict[str, str]], params: dict[str, object]) -> str:
    """Add two numbers if told to; on its own it gets the format right only for even sums."""
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    total = sum(int(number) for number in messages[-1]["content"].split(" + "))
    if "Add" not in system:
        return "a fine question"
    if "chatty" in system or "pirate" in system:
        return f"Well, that would be {total}!"
    return str(total) if "digits" in system or total % 2 == 0 else f"It is {total}."


def write_experiment(folder: Path, text: str = CONFIG) -> Path:
    """Put a config and its data into a folder.

    Returns:
        The config's path.
    """
    rows = [f"{a} + {b},{a + b}" for a in range(12) for b in range(12)]
    (folder / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    config = folder / "toy.yaml"
    config.write_text(text, encoding="utf-8")
    return config
