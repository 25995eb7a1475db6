"""What people see of a benchmark."""

from typing import TYPE_CHECKING

from promptrl.console.screen import clean, print_data, print_markup, readers
from promptrl.console.tables import points, table

if TYPE_CHECKING:
    from promptrl.experiment.bench import Bench
    from promptrl.report.benchmark import BenchRun, Spread


def show_bench_run(run: "BenchRun") -> None:
    """One line for a run that is done."""
    print_markup(
        f"{clean(run.run_id)}: gain {points(run.gain)} points, {run.verdict} · {run.calls:,} calls ({run.paid:,} paid)"
    )


def show_bench(bench: "Bench", *, as_json: bool) -> None:
    """The algorithms side by side, the largest gain first."""
    if as_json:
        print_data(bench.to_json(), as_json=True)
        return
    figures = ("validation", "test", "gain", "calls", "s/1,000")
    made = table("algorithm", *figures, right=figures)
    for row in bench.ranking:
        own_s = row.own_s_per_1000_calls
        made.add_row(
            clean(row.algorithm),
            _with_sd(row.validation),
            _with_sd(row.test) + (f"\n{100 * row.test.p10:.1f}–{100 * row.test.p90:.1f}" if row.test else ""),
            f"{points(row.gain.mean)} ± {100 * row.gain.sd:.1f}",
            f"{row.calls:,.0f}",
            "–" if own_s is None else f"{own_s:.1f}",
        )
    console = readers()
    console.print(made)
    console.print(
        "Scores of the winners in %: mean ± standard deviation over seeds; on test rows also 10th to 90th percentile. "
        "Gain: points over the baseline on test rows. s/1,000: seconds that the search computes per 1,000 calls."
    )
    print_markup(f"Runs, results.csv, curves.csv, curves.svg: {clean(bench.folder)}", console)


def _with_sd(spread: "Spread | None") -> str:
    return "–" if spread is None else f"{100 * spread.mean:.1f} ± {100 * spread.sd:.1f}"
