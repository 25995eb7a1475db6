"""What a config reaches over random seeds, for one or more algorithms: one line a run, then mean and spread.

``python -m benchmarks.seeds configs/quickstart.yaml --seeds 10 --algorithms maskable_ppo,ppo,a2c,dqn``

A seed changes everything that is drawn at random: the splits, the search, the finals. All runs share one answer cache,
so that only new questions cost time; calls are counted as if there were none.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from promptrl.config import load_config
from promptrl.experiment.build import build_components
from promptrl.experiment.train import train


def run(config: Path, runs_dir: Path, algorithm: str, seed: int, overrides: list[str]) -> dict[str, Any]:
    """Train once and give back result.json."""
    loaded = load_config(
        config, [f"algorithm.name={algorithm}", f"seed={seed}", f"dataset.split_seed={seed}", *overrides]
    )
    return dict(train(build_components(loaded), runs_dir=runs_dir).result)


def line(name: str, values: list[float], unit: str) -> str:
    """Mean, spread and range."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    mean = statistics.mean(values)
    return f"{name}: mean {mean:.1f}{unit}, sd {spread:.1f}, min {min(values):.1f}, max {max(values):.1f}"


def main() -> None:
    """Train for every algorithm and seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--algorithms", default="maskable_ppo")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("-s", "--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    for algorithm in arguments.algorithms.split(","):
        gains, winners = [], []
        print(f"\n{algorithm}\nseed  baseline  winner    gain  95 % interval     calls  seconds  verdict")
        for seed in range(arguments.seeds):
            result = run(arguments.config, arguments.runs_dir, algorithm, seed, arguments.overrides)
            test = {label: result[label]["test"] or result[label]["validation"] for label in ("baseline", "winner")}
            measured = result["improvement"]["test"] or {"score": 0.0, "low": 0.0, "high": 0.0}
            gain, low, high = (100 * measured[key] for key in ("score", "low", "high"))
            gains.append(gain)
            winners.append(100 * test["winner"]["score"])
            scores = f"{seed:4}  {100 * test['baseline']['score']:8.1f}  {winners[-1]:6.1f}  {gain:+6.1f}"
            cost = f"{result['calls']['total']:6}  {result['wall_s']:7.1f}"
            print(f"{scores}  [{low:+6.1f}, {high:+6.1f}]  {cost}  {result['verdict']}", flush=True)
        print(line("winner", winners, " %"))
        print(line("gain", gains, " points"))
        print(f"gain of 25 points or more: {sum(gain >= 25 for gain in gains)} of {len(gains)} seeds")


if __name__ == "__main__":
    main()
