"""Everything people see: the only part of promptrl that imports rich."""

from promptrl.console.bench import show_bench, show_bench_run
from promptrl.console.doctor import show_cache, show_cost_bound, show_diagnosis
from promptrl.console.live_view import failures_as_events, training_view
from promptrl.console.plan import show_plan
from promptrl.console.proposals import show_proposals
from promptrl.console.screen import print_data, print_text, show_error, show_message, show_notes, show_stopping
from promptrl.console.tables import (
    show_comparison,
    show_evaluation,
    show_run,
    show_runs,
    show_schema,
)

__all__ = [
    "failures_as_events",
    "print_data",
    "print_text",
    "show_bench",
    "show_bench_run",
    "show_cache",
    "show_comparison",
    "show_cost_bound",
    "show_diagnosis",
    "show_error",
    "show_evaluation",
    "show_message",
    "show_notes",
    "show_plan",
    "show_proposals",
    "show_run",
    "show_runs",
    "show_schema",
    "show_stopping",
    "training_view",
]
