"""The prompts that a baseline has asked: which rows they get next, and how they stand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.search.asking import PRIOR_SD, Asker
from promptrl.search.candidates import Candidate

ROW_PRIOR_ANSWERS = 3.0
PROMPT_PRIOR_ANSWERS = 4.0
BACKFITS = 3
LEADERS = 8
OPTIMISM = 1.0


class Field:
    """Asks prompts on rows that they share as far as possible, and ranks them by what they answered.

    Attributes:
        asker: The door to the model.
        rng: Draws everything random of this search.

    Args:
        asker: Likewise.
        rng: Likewise; also shuffles the rows.
    """

    def __init__(self, asker: Asker, rng: np.random.Generator) -> None:
        self.asker = asker
        self.rng = rng
        self._used = rng.uniform(0, 0.5, len(asker.rows))

    def has(self, prompt: Prompt) -> bool:
        """Whether a prompt was asked before."""
        return prompt.prompt_id in self.asker.records

    def ask_together(self, prompts: Sequence[Prompt], count: int) -> int:
        """Ask prompts on the same rows, those that most of them have not tried and that were used least so far.

        Args:
            prompts: Distinct ones.
            count: Rows at most.

        Returns:
            Calls spent; 0 when there is nothing left to ask.
        """
        missing = np.zeros(len(self._used))
        untried = {prompt: set(self.asker.untried_rows(prompt)) for prompt in prompts}
        for rows in untried.values():
            missing[list(rows)] += 1
        order = np.lexsort((self._used, -missing))[:count]
        return self._ask([(prompt, int(r)) for r in order for prompt in prompts if int(r) in untried[prompt]])

    def ask_each(self, prompts: Sequence[Prompt], count: int) -> int:
        """Ask each prompt on its next untried rows, at most ``count``; returns the calls spent."""
        asks = []
        for prompt in prompts:
            rows = self.asker.untried_rows(prompt)
            asks += [(prompt, rows[i]) for i in np.argsort(self._used[rows])[:count]]
        return self._ask(asks)

    def refine(self, calls: int, rows_each: int) -> None:
        """Ask leaders on rows new to them, until so many calls are spent, or nothing is left to ask.

        Leaders are chosen by mean + deviation, as UCB does (Auer et al. 2002).
        """
        until = self.asker.calls_left - calls
        while not self.asker.is_over and self.asker.calls_left > until:
            standings = sorted(self.standings(), key=lambda c: -(c.mean + OPTIMISM * c.sd))
            hopeful = [c.prompt for c in standings] or [self.asker.space.baseline]
            leaders = [prompt for prompt in hopeful if self.asker.untried_rows(prompt)][:LEADERS]
            if not self.ask_each(leaders, rows_each):
                return

    def standings(self) -> list[Candidate]:
        """Everyone with answers, the best first.

        Means are those of an additive model of prompts and rows, both shrunken, fitted by backfitting: a prompt that
        met hard rows is not blamed for them.
        """
        records = [record for record in self.asker.records.values() if record.objectives]
        if not records:
            return []
        counts = np.array([len(record.objectives) for record in records])
        p = np.repeat(np.arange(len(records)), counts)
        r = np.array([row for record in records for row in record.objectives])
        y = np.array([value for record in records for value in record.objectives.values()])
        means = _prompt_means(p, r, y, len(self._used))
        sds = PRIOR_SD / np.sqrt(counts + PROMPT_PRIOR_ANSWERS)
        order = np.argsort(-means, kind="stable")
        return [Candidate(records[i].prompt, float(means[i]), float(sds[i]), int(counts[i])) for i in order]

    def _ask(self, asks: Sequence[tuple[Prompt, int]]) -> int:
        before = self.asker.calls_left
        self.asker.ask(asks)
        for _, r in asks:
            self._used[r] += 1
        spent = before - self.asker.calls_left
        if spent:
            self._report()
        return spent

    def _report(self) -> None:
        standings = self.standings()
        baseline_id = self.asker.space.baseline.prompt_id
        baseline = [c.mean for c in standings if c.prompt.prompt_id == baseline_id]
        best = standings[0] if standings else None
        self.asker.report(best, baseline[0] if baseline else 0.0, env_steps=len(self.asker.records))


def _prompt_means(p: NDArray[np.intp], r: NDArray[np.intp], y: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    """Expected objective per prompt on all rows, from answers ``y`` of prompts ``p`` on rows ``r``."""
    overall = y.mean()
    n_p, n_r = np.bincount(p), np.bincount(r, minlength=n_rows)
    quality, ease = np.zeros(len(n_p)), np.zeros(n_rows)
    for _ in range(BACKFITS):
        quality = np.bincount(p, y - overall - ease[r]) / (n_p + PROMPT_PRIOR_ANSWERS)
        ease = np.bincount(r, y - overall - quality[p], n_rows) / (n_r + ROW_PRIOR_ANSWERS)
    return np.asarray(overall + quality, dtype=np.float64)
