"""Does a text of today and a table of rows suffice, where a model proposes the edits? Real runs on nano.

``python -m benchmarks.one_text [--seeds 10] [--calls 700]``: the user writes a prompt of three sentences and has a CSV
of reviews with their labels, nothing else; the proposer hands out the 28 proposals that ship with the package, seven at
a time or so, of which the guards let pass what is fair. A line for each seed says what the prompt scored on test rows
before and after, and the verdict.
"""

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

from promptrl.config import load_config
from promptrl.experiment.build import build_components
from promptrl.experiment.train import train
from promptrl.tasks.data_file import load_rows

CONFIG = """\
name: one-text
target: {{type: local, model: nano, params: {{temperature: 0, max_tokens: 48}}}}
prompt:
  user: "{{review}}"
  text: Here is what a guest wrote about a place. Classify the sentiment of the review. Please be brief about it.
edits:
  bank: none
  rewrite: {{rounds: 4, keep: 4, proposer: {{type: recorded, path: "builtin:sentiment"}}}}
dataset: {{path: reviews.csv, input: review, reference: label}}
reward: {{metrics: [{{type: regex, name: parsed, pattern: 'Answer: (\\w+)\\W*$', group: 1}}]}}
budget: {{max_calls: {calls}}}
cache: {{path: answers.sqlite}}
seed: {seed}
"""


def improve(folder: Path, seed: int, calls: int) -> dict[str, Any]:
    """Train once; the folder may be used again for other seeds, which then share answers."""
    rows = load_rows("builtin:sentiment").rows
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["review", "label"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    config = folder / f"one-text-{seed}.yaml"
    config.write_text(CONFIG.format(seed=seed, calls=calls), encoding="utf-8")
    return dict(train(build_components(load_config(config)), runs_dir=folder / "runs").result)


def main() -> None:
    """Print a line a seed, and how many were improved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=700)
    options = parser.parse_args()
    improved = 0
    with tempfile.TemporaryDirectory() as place:
        for seed in range(options.seeds):
            result = improve(Path(place), seed, options.calls)
            improved += result["verdict"] == "improved"
            before, after = (result[label]["test"] for label in ("baseline", "winner"))
            scores = f"{before['score']:.3f} -> {after['score']:.3f}" if before and after else "no change"
            print(
                f"seed {seed}: {scores}, {result['verdict']}, {result['calls']['proposer']} calls of the proposer",
                flush=True,
            )
    print(f"{improved} of {options.seeds} improved")


if __name__ == "__main__":
    main()
