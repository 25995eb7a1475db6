"""Starts the search that a config asks for, and keeps what its agent learned."""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from promptrl.experiment.session import RunSession
from promptrl.search.context import SearchContext
from promptrl.search.searches import load_search

if TYPE_CHECKING:
    from promptrl.prompts.space import EditSpace
    from promptrl.search.result import SearchResult

ACTIONS_FORMAT = 1


def search_prompts(session: RunSession) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    config, components, run = session.config, session.components, session.run
    context = SearchContext(
        space=components.space,
        rows=components.splits.train,
        evaluator=session.evaluator,
        seed=config.seed,
        observers=(session.progress.on_search,),
        grow=session.growth.next_search(components.space, session.grow),
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


def _actions(space: "EditSpace") -> Iterator[dict[str, Any]]:
    """What each of the agent's actions does, in their order."""
    for number, edit in enumerate(space.edits):
        yield {"action": number, "kind": edit.kind, "slot": edit.slot, "text": edit.text, "edit": edit.label}
    yield {"action": space.stop, "kind": "stop", "slot": "", "text": "", "edit": "stop"}
