"""Starts the search that a config asks for, and keeps what its agent learned."""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from promptrl.errors import TargetError
from promptrl.experiment.proposal_choice import ProposerData
from promptrl.experiment.proposing import ProposerRules, Proposing
from promptrl.experiment.session import RunSession
from promptrl.search.context import SearchContext
from promptrl.search.growth import GrowthRequest
from promptrl.search.searches import load_search

if TYPE_CHECKING:
    from promptrl.prompts.space import EditSpace
    from promptrl.search.growth import Grow
    from promptrl.search.result import SearchResult

ACTIONS_FORMAT = 1


def search_prompts(session: RunSession) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    config, components, run = session.config, session.components, session.run
    space, grow = _begin_to_grow(session)
    context = SearchContext(
        space=space,
        rows=components.splits.train,
        evaluator=session.evaluator,
        seed=config.seed,
        observers=(session.progress.on_search,),
        grow=grow,
    )
    block = config.algorithm
    search = load_search(block.name, from_builtin=config.warm_start == "builtin")
    found = search(context, block.definition)
    if found.surrogate is not None:
        from promptrl.search.surrogate.state import encode_state

        run.write_bytes("checkpoints/posterior.npz", encode_state(found.surrogate))
    if found.agent is not None:
        from promptrl.search.agents.policy_file import describe_policy, encode_policy

        whole = BytesIO()
        found.agent.save(whole)
        run.write_bytes("policy.zip", whole.getvalue())
        run.write_bytes("checkpoints/policy.safetensors", encode_policy(found.agent))
        run.write_json("checkpoints/policy.json", describe_policy())
        run.write_json("actions.json", {"format": ACTIONS_FORMAT, "actions": list(_actions(found.space))})
    return found


def _begin_to_grow(session: RunSession) -> "tuple[EditSpace, Grow | None]":
    """The space that a search begins with, and what it may gain; a text alone is proposed for before any call.

    Raises:
        TargetError: There is nothing to search among, for nothing was proposed.
    """
    components, search = session.components, session.growth.searches
    space = components.space
    rewrite = session.config.edits.proposed
    if session.proposer is None or rewrite is None:
        return space, session.growth.next_search(space, session.grow)
    rules = ProposerRules(
        rounds=components.proposer_calls(search),
        keep=rewrite.keep,
        max_prompt_tokens=rewrite.max_prompt_tokens,
        rules=rewrite.rules,
        from_start=session.config.prompt.text is not None or not space.edits,
        seed=session.config.seed,
    )
    data = ProposerData.of(components.splits.train, components.rows)
    proposing = Proposing(session.proposer, search, rules, data, session.evaluator, space)
    grow = session.growth.next_search(space, proposing)
    first = grow(GrowthRequest(0, (), space=space)) if grow and rules.from_start else None
    if first is not None:
        space = space.extended(options=first.options).space
    if not space.edits:
        fault = session.proposer.file.records[-1].fault if session.proposer.file.records else ""
        why = f": {fault}" if fault else ""
        raise TargetError(f"nothing in this prompt can be changed, and no edits were proposed{why}")
    return space, grow


def _actions(space: "EditSpace") -> Iterator[dict[str, Any]]:
    """What each of the agent's actions does, in their order."""
    for number, edit in enumerate(space.edits):
        yield {"action": number, "kind": edit.kind, "slot": edit.slot, "text": edit.text, "edit": edit.label}
    yield {"action": space.stop, "kind": "stop", "slot": "", "text": "", "edit": "stop"}
