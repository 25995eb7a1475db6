"""One search in the surrogate: the posterior, what to ask next, what was found.

Whoever steers it decides how prompts are edited in the imagination: an agent (``search.py``) or local search
(``local_search.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.growth import Growth
from promptrl.search.planned.beliefs import PlannerBeliefs
from promptrl.search.planned.imagined import Choose, Imagination, RolloutResult, Starts
from promptrl.search.planned.rows import Proposal, RowChoice
from promptrl.search.result import Candidate
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from promptrl.search.surrogate.state import DEFAULT_RULES, SurrogateRules
from promptrl.search.trials import Trials
from promptrl.stats.knowledge_gradient import choose_asks

FIRST_ASKS = 16
BASELINE_ASKS = 2
BATCH = 16
BATCH_SHARE = 1 / 16
"""A batch is at least this share of the calls already used, so that fits stay rare in long searches."""
BATCH_PER_FEATURE = 1 / 16
"""Likewise of what prompts can hold: a fit to a thousand edits costs more, and one answer says less about them."""
UNIFORM_SHARE = 0.1
"""Asks drawn uniformly from the whole space: effects of edits are estimated from them without confounding."""
ROLLOUTS = 64
STARTS_PER_DRAW = 4
"""At most; a batch takes no more than ``ROLLOUTS``, or one for each ask where those are more: they take turns."""
LEADERS = 8
LAST_STARTS = 32
STARTS_KNOWN = 32
MOST_LEADERS = 96
"""Leaders that a batch is chosen from, beside what episodes come to."""
MOST_NEIGHBOURS = 64
"""Likewise of the prompts that are one edit away from the leader, by mean and deviation."""
OPTIMISM = 1.5
HORIZON_PARTS = 8
"""A prompt is weighed by what this part of the calls left would tell of it."""


@dataclass(frozen=True, slots=True)
class PlanningRules:
    """How the loop works.

    Attributes:
        rows_per_prompt: Rows that a proposed prompt is asked on.
        imagined_steps: Least steps in the imagination that the agent learns from each time it practises, whole
            rollouts of SB3 at a time (``n_steps`` × environments); 0 = it only acts.
        uniform_share: Share of the asks drawn uniformly from the space.
        surrogate: What the surrogate takes prompts to be made of.
        exploration_scale: What the distance of a draw from the mean is multiplied by, at the start and at the end.
    """

    rows_per_prompt: int = 1
    imagined_steps: int = 128
    uniform_share: float = UNIFORM_SHARE
    surrogate: SurrogateRules = DEFAULT_RULES
    exploration_scale: tuple[float, float] = (1.0, 0.3)


class Planner:
    """The surrogate, the imagination and the asks of one search.

    Attributes:
        leaders: Every prompt asked, the best posterior mean first, as of the last ``update_posterior``.

    Args:
        trials: The door to the model.
        rules: How to work.
        max_edits: Longest imagined episode; None = one more than there are slots.
        rng: Draws everything random.
    """

    def __init__(self, trials: Trials, rules: PlanningRules, max_edits: int | None, rng: np.random.Generator) -> None:
        self.trials = trials
        self.moves = Moves(trials.space)
        self._rules = rules
        self._rng = rng
        self._max_edits = max_edits
        of_surrogate, self._of_imagination = rng.spawn(2)
        moves = self.moves
        row_ids = [row.id for row in trials.rows]
        self.surrogate = Surrogate(moves.table, row_ids, rng=of_surrogate, rules=rules.surrogate)
        self.imagination = Imagination(moves, self.surrogate, self._of_imagination, max_edits)
        self._rows = RowChoice(trials, rules.rows_per_prompt, rng)
        self.starts = Starts(moves.features(trials.space.baseline))
        self.leaders: list[Candidate] = []
        self._open_leaders: list[Candidate] = []
        self._own_asks: list[Prompt] = []

    def begin(self) -> None:
        """Ask the baseline and some prompts drawn uniformly, and learn what they answer."""
        drawn = [Proposal(self.trials.space.draw(self._rng), True) for _ in range(FIRST_ASKS - BASELINE_ASKS)]
        self.ask([Proposal(self.trials.space.baseline, False)] * BASELINE_ASKS + drawn)
        self.update_posterior()

    @property
    def share_left(self) -> float:
        """The part of the calls that is left, in [0, 1]."""
        return max(0, self.trials.calls_left) / max(1, self.trials.calls_allowed)

    def next_seed(self) -> int:
        """A seed for what is built anew while the search works."""
        return int(self._rng.integers(2**31))

    def grow(self, *, is_exhausted: bool) -> bool:
        """Take in what the space gains now, if anything; all that was learned stays.

        Args:
            is_exhausted: Whether nothing is left to ask.

        Returns:
            Whether there are more edits now, under other numbers.
        """
        grown = self.trials.grow(self.leaders, is_exhausted=is_exhausted, beliefs=self._beliefs)
        if grown is None:
            return False
        extension, growth = grown
        self.moves, places = self.moves.extended(extension)
        baseline = self.moves.features(self.trials.space.baseline)  # what no edit could change yet, all prompts share
        self.surrogate = self.surrogate.extended(self.moves.table, places, held=baseline)
        self.imagination = Imagination(self.moves, self.surrogate, self._of_imagination, self._max_edits)
        for record in self.trials.records.values():
            for _ in record.objectives:
                self.imagination.count_answer(self.moves.features(record.prompt))
        self.starts = Starts(baseline)
        self.update_posterior()
        self._own_asks += self._with_each(growth)
        return True

    def _beliefs(self) -> PlannerBeliefs | None:
        if not self._open_leaders:
            return None
        answers = [(record.prompt, len(record.objectives)) for record in self.trials.records.values()]
        return PlannerBeliefs(self.moves, self.surrogate, self._open_leaders[0].prompt, answers)

    def _without_retired(self, leaders: list[Candidate]) -> list[Candidate]:
        """Those that hold no option that is retired."""
        space = self.trials.space
        if not space.is_retired.any():
            return leaders
        return [leader for leader in leaders if not (space.holds(leader.prompt) & space.is_retired).any()]

    def _with_each(self, growth: Growth) -> list[Prompt]:
        """The best prompt with each of the new options, as often as it is to be asked."""
        best = self._open_leaders[0].prompt if self._open_leaders else self.trials.space.baseline
        options = [(slot, text) for slot, texts in growth.options.items() for text in texts]
        return [self.trials.space.with_option(best, *option) for option in options for _ in range(growth.asks_each)]

    def advance(self, choose: Choose | None) -> bool:
        """Ask a batch of proposals, if there is anything left to ask, and learn what it answers.

        Args:
            choose: The policy that proposes; None = local search by single edits.

        Returns:
            Whether anything was asked.
        """
        before = self.trials.calls_used
        self.ask(self.propose(choose))
        if self.trials.calls_used == before:
            return False
        self.update_posterior()
        return True

    def update_posterior(self) -> None:
        """Fit the surrogate and hand its posterior to the imagination."""
        self.surrogate.fit()
        self.leaders = self.ranking()
        self._open_leaders = self._without_retired(self.leaders)
        left = self.share_left
        first, last = self._rules.exploration_scale
        exploration_scale = last + left * (first - last)
        self.imagination.update_posterior(self.surrogate, 2 * self._batch(), self._rng, left, exploration_scale)
        known = [record.prompt for record in self.trials.records.values()]
        if self.trials.space.is_retired.any():
            known = [candidate.prompt for candidate in self._open_leaders]
        if known:
            chosen = self._rng.choice(len(known), min(len(known), STARTS_KNOWN), replace=False)
            self.starts.others = np.stack([self.moves.features(known[i]) for i in chosen])

    def propose(self, choose: Choose | None) -> list[Proposal]:
        """The next prompts to ask: those whose answers promise most, and some drawn uniformly.

        Args:
            choose: The policy whose episodes come up with prompts; None = local search by single edits.
        """
        n = self._batch()
        candidates = self._candidates(choose, n)
        features = np.stack([self.moves.features(prompt) for prompt in candidates])
        belief = self.surrogate.joint(features, [prompt.prompt_id for prompt in candidates])
        is_spent = [not self.trials.untried_rows(prompt) for prompt in candidates]
        belief = replace(belief, noise=np.where(is_spent, np.inf, belief.noise))
        chosen = choose_asks(belief, n, max(1.0, self.trials.calls_left / HORIZON_PARTS))
        is_uniform = self._rng.random(n) < self._rules.uniform_share
        proposals = [
            Proposal(self.trials.space.draw(self._rng), True) if is_uniform[i] else Proposal(candidates[at], False)
            for i, at in enumerate(chosen)
        ]
        own, self._own_asks = [Proposal(prompt, False) for prompt in self._own_asks], []
        return [*own, *proposals[len(own) :]]

    def _candidates(self, choose: Choose | None, n: int) -> list[Prompt]:
        """Different prompts to choose a batch of ``n`` asks from."""
        each = min(STARTS_PER_DRAW, max(1, ROLLOUTS // n))
        draws = np.repeat(np.arange(n), each)
        leaders = [candidate.prompt for candidate in self._open_leaders[:MOST_LEADERS]]
        kinds = [(i % each + i // each) % STARTS_PER_DRAW for i in range(len(draws))]
        starts = [self._start(kind, leaders[:LEADERS]) for kind in kinds]
        results = self.imagination.roll_out(choose, starts, draws)
        found = [*leaders, self.trials.space.baseline, *(self._reached(result) for result in results)]
        return list({prompt.prompt_id: prompt for prompt in (*found, *self._neighbours())}.values())

    def _neighbours(self) -> list[Prompt]:
        """The most promising prompts that are one edit away from the leader."""
        if not self._open_leaders:
            return []
        leader = self._open_leaders[0].prompt
        edits, features = self.moves.neighbours(leader)
        mean, sd = self.surrogate.moments(features)
        order = np.argsort(-(mean + OPTIMISM * sd), kind="stable")[:MOST_NEIGHBOURS]
        return [self.moves.replay(leader, [int(edits[i])]) for i in order]

    def ask(self, proposals: Sequence[Proposal]) -> None:
        """Ask each prompt on rows new to it, those asked least by all first; the surrogate takes in the answers."""
        asks, uniform = self._rows.choose(proposals, self._open_leaders)
        answers = self.trials.ask(asks, uniform)
        for (prompt, row), answer in zip(asks, answers, strict=True):
            if not np.isnan(answer):
                features = self.moves.features(prompt)
                self.surrogate.add(prompt.prompt_id, features, row, float(answer))
                self.imagination.count_answer(features)

    def ranking(self, others: Sequence[Prompt] = ()) -> list[Candidate]:
        """Every prompt asked and the others, the best posterior mean first."""
        prompts = {p.prompt_id: p for p in others} | {i: r.prompt for i, r in self.trials.records.items()}
        if not prompts:
            return []
        features = np.stack([self.moves.features(prompt) for prompt in prompts.values()])
        ids = list(prompts)
        means, sds = self.surrogate.moments(features, ids)
        records = self.trials.records
        counts = [len(records[i].objectives) if i in records else 0 for i in ids]
        return [
            Candidate(prompts[ids[i]], float(means[i]), float(sds[i]), counts[i])
            for i in np.argsort(-means, kind="stable")
        ]

    def report(self, env_steps: int) -> None:
        """Emit how far the search is."""
        if not self.surrogate.n_answers:
            return
        baseline = self.moves.features(self.trials.space.baseline)[None]
        mean = float(self.surrogate.mean(baseline, [self.trials.space.baseline.prompt_id])[0])
        self.trials.report(self.leaders[0], mean, env_steps)

    def conclude(self, choose: Choose | None) -> list[Candidate]:
        """The candidates: every prompt asked, and what the policy makes of the posterior mean; none without answers."""
        if not self.surrogate.n_answers:
            return []
        self.surrogate.fit()
        self.imagination.update_posterior(self.surrogate, 1, self._rng, 0.0, exploration_scale=0.0)
        leaders = [candidate.prompt for candidate in self.ranking()[:LEADERS]]
        drawn = [self.trials.space.draw(self._rng) for _ in range(LAST_STARTS - len(leaders))]
        starts = [*leaders, *drawn]
        results = self.imagination.roll_out(choose, starts, np.zeros(len(starts), dtype=np.intp))
        return self.ranking([self._reached(result) for result in results])

    def _batch(self) -> int:
        wanted = max(BATCH, int(BATCH_SHARE * self.trials.calls_used), int(BATCH_PER_FEATURE * self.moves.n_features))
        return max(1, min(wanted, self.trials.calls_left))

    def _reached(self, result: RolloutResult) -> Prompt:
        return self.moves.replay(result.start, result.edits)

    def _start(self, kind: int, leaders: Sequence[Prompt]) -> Prompt:
        """Where an episode begins: the baseline, a leader, or anywhere."""
        if kind == 0 or not leaders:
            return self.trials.space.baseline
        if kind == 1:
            return leaders[int(self._rng.integers(len(leaders)))]
        return self.trials.space.draw(self._rng)
