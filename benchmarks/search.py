"""What share of the achievable gain does a search reach with so many calls? Ours, the baselines and others' optimisers.

``python -m benchmarks.search --worlds 1e4 arithmetic --arms planned thompson greedy --budgets 100 300 --seeds 20
--out runs/benchmark`` runs every arm on every seed of every kind of world, each budget on its own, prints tables and
writes ``runs.csv`` (a line a run), ``summary.csv`` and a curve per kind of world as SVG.

Worlds are random landscapes (``landscapes.py``), score tables of the bundled tasks and, with ``--logs FOLDER``, logs of
real answers (``recorded.py``), with ``--templates FOLDER`` instructions with accuracies of real models
(``templates.py``), with ``--pools FOLDER`` edits that a language model wrote (``proposals.py``; the bundled model is
asked). Arms are listed in ``arms.py``, ``allocations.py`` and ``peers.py``; the first one is compared with
the others in pairs; ``--arms ablations`` stands for the planned search with one part changed each. Runs that
``runs.csv`` already holds are not run again, so a long benchmark can be interrupted and continued; delete the file, or
lines of it, after changing an arm. Set ``OMP_NUM_THREADS=1``: the seconds of own computing are processor seconds of all
threads.
"""

import argparse
import csv
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import get_type_hints

from benchmarks.arms import ABLATIONS, find_arm
from benchmarks.catalogue import LOG, make_world
from benchmarks.proposals import POOL, pools
from benchmarks.recorded import logs
from benchmarks.summary import Curves, Run, plot, report, write_summary
from benchmarks.templates import TEMPLATES


@dataclass(frozen=True, slots=True)
class Job:
    """One run to make."""

    world: str
    seed: int
    budget: int
    arm: str


def carry_out(job: Job) -> Run:
    """Let one arm search one world."""
    world = make_world(job.world, job.seed)
    result = find_arm(job.arm)(world, job.budget, job.seed)
    baseline, score = world.baseline_score, world.truth(result.winner)
    return Run(
        world=job.world,
        arm=job.arm,
        budget=job.budget,
        seed=job.seed,
        share=world.share(result.winner),
        points=score - baseline,
        regret=world.oracle_score - score,
        baseline=baseline,
        oracle=world.oracle_score,
        calls=result.calls,
        refused=result.refused,
        seconds=result.seconds,
        winner=result.winner.prompt_id,
    )


def carry_out_all(jobs: list[Job], processes: int) -> Generator[Run, None, None]:
    """The runs as they end."""
    if processes == 1:
        yield from map(carry_out, jobs)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(carry_out, jobs)


def read_runs(path: Path) -> list[Run]:
    """The runs of earlier sittings; a line that was cut off is passed over."""
    if not path.is_file():
        return []
    runs = []
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if None not in line.values():
                runs.append(Run(**{name: read(line[name]) for name, read in get_type_hints(Run).items()}))
    return runs


def write_runs(path: Path, runs: Iterable[Run]) -> Iterator[Run]:
    """Append each run as it comes, and hand it on."""
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(Run)])
        if is_new:
            table.writeheader()
        for run in runs:
            table.writerow(asdict(run))
            file.flush()
            yield run


def _real_worlds(of_logs: Path | None, of_templates: Path | None, of_pools: Path | None) -> Iterator[str]:
    """Names of the worlds in folders that the user has."""
    if of_logs:
        yield from (f"{LOG}{path}" for path in logs(of_logs))
    if of_templates:
        yield from (f"{prefix}{of_templates}" for prefix in TEMPLATES.values())
    if of_pools:
        yield from (f"{POOL}{path}" for path in pools(of_pools))


def main() -> None:
    """Run what is missing, then print and write what all runs add up to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", default=["1e4"])
    parser.add_argument("--logs", type=Path, help="folder with logs of real answers")
    parser.add_argument("--templates", type=Path, help="folder with accuracies of templates (templates.py)")
    parser.add_argument("--pools", type=Path, help="folder with edits for the bundled tasks (proposals.py)")
    parser.add_argument("--arms", nargs="+", default=["planned", "thompson", "greedy", "evolution", "halving"])
    parser.add_argument("--budgets", nargs="+", type=int, default=[100, 200, 300, 400, 800, 1600])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-search"))
    arguments = parser.parse_args()
    if arguments.arms == ["ablations"]:
        arguments.arms = list(ABLATIONS)
    for arm in arguments.arms:
        find_arm(arm)
    kinds = [*arguments.worlds, *_real_worlds(arguments.logs, arguments.templates, arguments.pools)]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [Job(k, s, b, a) for k in kinds for s in seeds for b in arguments.budgets for a in arguments.arms]
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = read_runs(arguments.out / "runs.csv")
    known = {Job(run.world, run.seed, run.budget, run.arm) for run in runs}
    missing = [job for job in jobs if job not in known]
    with closing(carry_out_all(missing, arguments.processes)) as new:
        for run in write_runs(arguments.out / "runs.csv", new):
            runs.append(run)
            print(f"{run.world} seed {run.seed}: {run.arm} at {run.budget}: {run.share:.3f}", flush=True)
    chosen = [run for run in runs if Job(run.world, run.seed, run.budget, run.arm) in set(jobs)]
    curves = {
        kind: Curves([run for run in chosen if run.world == kind], arguments.arms, arguments.budgets) for kind in kinds
    }
    for number, (kind, curve) in enumerate(curves.items()):
        print("\n".join(report(kind, curve)))
        name = f"{kind.partition(':')[0]}-{number}" if ":" in kind else kind
        plot(kind, curve, arguments.out / f"{name}.svg")
    write_summary(arguments.out / "summary.csv", curves)


if __name__ == "__main__":
    main()
