"""The prompts that lack just one edit of another."""

from collections import deque

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace

MOST_ORDERS = 200
"""So many orders are looked at, at most, for one in which a piece that was moved is back in its place."""


def leave_one_outs(winner: Prompt, space: EditSpace) -> dict[int, Prompt]:
    """The prompts that lack just one of the winner's edits and hold no others, by that edit's number.

    Most are one edit away: the baseline's option comes back, or a dropped sentence. A piece that moved past several
    others goes back step by step.
    """
    own = frozenset(space.edits_of(winner))
    found: dict[int, Prompt] = {}
    seen, waiting = {winner}, deque([winner])
    while waiting and len(seen) <= MOST_ORDERS:
        prompt = waiting.popleft()
        for action, is_valid in enumerate(space.mask(prompt)[:-1]):
            is_move = space.edits[action].kind == "move"
            if not is_valid or (prompt != winner and not is_move):
                continue
            changed = space.apply(prompt, action)
            lacking = own - frozenset(space.edits_of(changed))
            if not own.issuperset(space.edits_of(changed)):
                continue
            if len(lacking) == 1:
                found.setdefault(next(iter(lacking)), changed)
            elif is_move and not lacking and changed not in seen:
                seen.add(changed)
                waiting.append(changed)
    return found
