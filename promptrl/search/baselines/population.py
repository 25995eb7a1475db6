"""The prompts that a baseline has asked: which rows they get next, and how they stand."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.search.result import Candidate
from promptrl.search.trials import PRIOR_SD, Trials

ROW_PRIOR_ANSWERS = 3.0
PROMPT_PRIOR_ANSWERS = 4.0
BACKFITS = 3
LEADERS = 8
OPTIMISM = 1.0


class Population:
    """Asks prompts on rows that they share as far as possible, and ranks them by what they answered.

    Attributes:
        trials: The door to the model.
        rng: Draws everything random of this search.

    Args:
        trials: Likewise.
        rng: Likewise; also shuffles the rows.
    """

    def __init__(self, trials: Trials, rng: np.random.Generator) -> None:
        self.trials = trials
        self.rng = rng
        self._used = rng.uniform(0, 0.5, len(trials.rows))
        self._prompts: dict[str, Prompt] = {}
        self._places: dict[str, int] = {}
        self._answers: list[tuple[int, int, float]] = []
        self._means = np.zeros(0)
        self._counts = np.zeros(0, dtype=np.intp)

    def has(self, prompt: Prompt) -> bool:
        """Whether a prompt was asked before."""
        return prompt.prompt_id in self.trials.records

    def ask_together(self, prompts: Sequence[Prompt], count: int) -> int:
        """Ask prompts on the same rows, those that most of them have not tried and that were used least so far.

        Args:
            prompts: Equal ones are asked once.
            count: Rows at most.

        Returns:
            Pairs asked; 0 when there is nothing left to ask.
        """
        missing = np.zeros(len(self._used))
        untried = {prompt: set(self.trials.untried_rows(prompt)) for prompt in prompts}
        for rows in untried.values():
            missing[list(rows)] += 1
        order = np.lexsort((self._used, -missing))[:count]
        return self.ask([(prompt, int(r)) for r in order for prompt, rows in untried.items() if int(r) in rows])

    def ask_each(self, prompts: Sequence[Prompt], count: int) -> int:
        """Ask each prompt on its next untried rows, at most ``count``; returns the pairs asked."""
        asks = []
        for prompt in prompts:
            rows = self.trials.untried_rows(prompt)
            asks += [(prompt, rows[i]) for i in np.argsort(self._used[rows])[:count]]
        return self.ask(asks)

    def refine(self, rows_each: int) -> None:
        """Ask leaders on rows new to them, until the calls are spent, or nothing is left to ask.

        Leaders are chosen by mean + deviation, as UCB does (Auer et al. 2002).
        """
        while not self.trials.is_over:
            hopeful = self.leaders(len(self._prompts), OPTIMISM) or [self.trials.space.baseline]
            leaders = list(islice((prompt for prompt in hopeful if self.trials.untried_rows(prompt)), LEADERS))
            if not self.ask_each(leaders, rows_each):
                return

    def leaders(self, count: int, optimism: float = 0.0) -> list[Prompt]:
        """The first so many of those with answers, by mean + ``optimism`` × deviation."""
        prompts = list(self._prompts.values())
        return [prompts[i] for i in np.argsort(-(self._means + optimism * self._sds), kind="stable")[:count]]

    def mean(self, prompt: Prompt) -> float:
        """Expected objective of a prompt over all rows; NaN when it has no answer.

        Means are those of an additive model of prompts and rows, both shrunken, fitted by backfitting: a prompt that
        was asked on hard rows is not blamed for them.
        """
        place = self._places.get(prompt.prompt_id)
        return float("nan") if place is None else float(self._means[place])

    def ranking(self) -> list[Candidate]:
        """Everyone with answers, the best first."""
        figures = {prompt: (m, s, n) for prompt, m, s, n in self._figures()}
        return [Candidate(prompt, *figures[prompt]) for prompt in self.leaders(len(figures))]

    def ask(self, asks: Sequence[tuple[Prompt, int]]) -> int:
        """Ask pairs of prompt and row index, all new to this search; returns how many.

        What an earlier search of the run has asked is known and costs no call.
        """
        for (prompt, r), objective in zip(asks, self.trials.ask(asks), strict=True):
            self._used[r] += 1
            if not np.isnan(objective):
                self._prompts.setdefault(prompt.prompt_id, prompt)
                place = self._places.setdefault(prompt.prompt_id, len(self._places))
                self._answers.append((place, r, float(objective)))
        if asks and self._answers:
            self._fit()
            self._report()
        return len(asks)

    @property
    def _sds(self) -> NDArray[np.float64]:
        return np.asarray(PRIOR_SD / np.sqrt(self._counts + PROMPT_PRIOR_ANSWERS), dtype=np.float64)

    def _figures(self) -> list[tuple[Prompt, float, float, int]]:
        figures = (self._means.tolist(), self._sds.tolist(), self._counts.tolist())
        return list(zip(self._prompts.values(), *figures, strict=True))

    def _fit(self) -> None:
        table = np.array(self._answers)
        p, r = table[:, 0].astype(np.intp), table[:, 1].astype(np.intp)
        self._means = _prompt_means(p, r, table[:, 2], len(self._used))
        self._counts = np.bincount(p)

    def _report(self) -> None:
        best = int(np.argmax(self._means))
        prompt = next(islice(self._prompts.values(), best, None))
        leader = Candidate(prompt, float(self._means[best]), float(self._sds[best]), int(self._counts[best]))
        baseline = self.mean(self.trials.space.baseline)
        self.trials.report(leader, 0.0 if np.isnan(baseline) else baseline, env_steps=len(self.trials.records))


def _prompt_means(p: NDArray[np.intp], r: NDArray[np.intp], y: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    """Expected objective per prompt on all rows, from answers ``y`` of prompts ``p`` on rows ``r``."""
    overall = y.mean()
    n_p, n_r = np.bincount(p), np.bincount(r, minlength=n_rows)
    quality, ease = np.zeros(len(n_p)), np.zeros(n_rows)
    for _ in range(BACKFITS):
        quality = np.bincount(p, y - overall - ease[r]) / (n_p + PROMPT_PRIOR_ANSWERS)
        ease = np.bincount(r, y - overall - quality[p], n_rows) / (n_r + ROW_PRIOR_ANSWERS)
    return np.asarray(overall + quality, dtype=np.float64)
