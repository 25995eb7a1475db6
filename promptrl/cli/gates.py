"""What ``--fail-on`` means: which verdicts turn a finished run into exit code 3."""

from collections.abc import Iterable

from promptrl.errors import UsageError

GATES = {"worse": frozenset({"worse"}), "not-improved": frozenset({"worse", "same", "inconclusive"})}


def parse_gate(values: Iterable[str]) -> frozenset[str]:
    """The verdicts that fail.

    Raises:
        UsageError: A value is neither ``worse`` nor ``not-improved``.
    """
    verdicts: frozenset[str] = frozenset()
    for value in values:
        if value not in GATES:
            raise UsageError(f"--fail-on: got {value!r}, expected one of {', '.join(GATES)}")
        verdicts |= GATES[value]
    return verdicts


def fails(gate: frozenset[str], verdict: str) -> bool:
    """Whether a verdict fails the gate."""
    return verdict in gate
