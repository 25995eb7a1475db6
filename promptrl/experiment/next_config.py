"""The config of a finished run with its best prompt as the baseline: what the next training starts from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptrl.config import load_config, load_text
from promptrl.config.prompts import PromptConfig
from promptrl.config.rewriting import rewritten
from promptrl.config.source import SourceError, parse
from promptrl.errors import ConfigError, RunLockedError, RunNotFoundError, UsageError
from promptrl.experiment.build import baseline_of
from promptrl.experiment.data import unfilled_columns
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.files import TEXT_SLOT, template_messages
from promptrl.prompts.placeholders import escaped, placeholders
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import CONFIG_NAME, Run
from promptrl.runs.reading import read_text
from promptrl.runs.result import best_prompt

HEAD = "# The baseline is the "


def next_config(run: Run, *, challenger: bool = False) -> str:
    """The config that the user wrote, with the winner in the place of the baseline if it is proven better.

    Slots have the winner's option first and keep the others; a plain text stands as the winner has it; the solved
    examples that it shows become the first messages of ``prompt.user``. All else stays as it was written, paths too.
    The resolved config takes its place where that is not enough, as when keys of the prompt were overridden.

    Args:
        run: A finished run.
        challenger: Take the winner whatever the verdict.

    Raises:
        RunLockedError: The run is not done.
        RunNotFoundError: Its folder has lost the winner.
        ConfigError: Its config is no longer valid.
        UsageError: No config begins with that prompt.
    """
    result = run.result
    if result is None:
        raise RunLockedError(f"run {run.id} is {run.status}: it has no best prompt yet")
    resolved = load_config(run.path / CONFIG_NAME, drops_unread=True)
    baseline = baseline_of(resolved)
    winner = _winner(run, best_prompt(result, challenger=challenger)["prompt_id"], baseline)
    blocks = list(_blocks(resolved.config.prompt, winner, WORDS if resolved.config.edits.tokens else None))
    whose = "baseline" if winner == baseline else "winner"
    head = f"{HEAD}{whose} of run {run.id} (verdict: {result['verdict']}).\n"
    given = Path(run.info.get("config") or run.path / CONFIG_NAME)
    for text, path in ((read_text(run.path / "config.yaml"), given), (run.config_text, resolved.path)):
        for block in blocks:
            config = _with_prompt(text, block)
            if config is not None and _begins_with(config, path, winner):
                return head + config
    raise UsageError(f"run {run.id}: no config begins with its winner; export it as json and keep the config")


def _winner(run: Run, prompt_id: str, baseline: Prompt) -> Prompt:
    known = {baseline.prompt_id: baseline} | run.prompts()
    if prompt_id not in known:
        raise RunNotFoundError(f"run {run.id} has lost its winner: prompt {prompt_id} is not in its prompts.jsonl")
    return known[prompt_id]


def _with_prompt(text: str, block: Mapping[str, Any]) -> str | None:
    """The text of a config with other values in its prompt, where None takes a key out; None if it can't be read."""
    own = text.partition("\n")[2] if text.startswith(HEAD) else text
    try:
        data = parse(own, "")[0].data
    except SourceError:
        return None
    prompt = data.get("prompt") if isinstance(data, dict) else None
    if not isinstance(prompt, dict):
        return None
    changed = {key: value for key, value in {**prompt, **block}.items() if value is not None}
    return rewritten(own, {**data, "prompt": changed})


def _begins_with(text: str, path: Path, winner: Prompt) -> bool:
    """Whether the text is a config that can be trained, and asks first what the winner asks."""
    names = winner.user.placeholders
    try:
        loaded = load_text(text, path)
        baseline = baseline_of(loaded)
    except ConfigError:
        return False
    is_refused = any(not problem.is_warning for problem in unfilled_columns(loaded, set(names)))
    if baseline.user.placeholders != names or is_refused:
        return False
    fields = {name: f"<{name}>" for name in names}
    return baseline.render(fields) == winner.render(fields)


def _blocks(config: PromptConfig, winner: Prompt, taken: str | None) -> Iterator[dict[str, Any]]:
    """What the keys of the prompt may say, the closest to the user's own first."""
    shown: dict[str, Any] = {}
    if winner.demonstrations:
        shown = {"user": _conversation(winner), "demonstrations": {"max": 0}}
    if config.slots is not None:
        yield {"slots": _slots(config.slots, winner, taken), **shown}
    elif placeholders(config.text or ""):
        if not winner.slots and not shown:
            yield {"text": winner.user.text}
        yield {"text": None, "slots": _slots({}, winner, taken), "user": winner.user.text, **shown}
    else:
        system = template_messages(winner)[0].content if winner.slots else ""
        if system:
            yield {"text": system, **shown}
        yield {"text": None, "slots": {TEXT_SLOT: list(dict.fromkeys((system, config.text)))}, **shown}


def _slots(own: Mapping[str, Sequence[str]], winner: Prompt, taken: str | None) -> dict[str, list[str]]:
    """Options by slot: the winner's first, the user's others behind it; what the user's lacks can be left out again.

    Args:
        own: The user's.
        winner: Its slots say the order; those that it leaves out stand behind the one that they stood behind.
        taken: A name that is free for no slot.
    """
    order = [name for name, _ in winner.slots]
    for position, name in enumerate(own):
        if name not in order:
            before = [other for other in list(own)[:position] if other in order]
            order.insert(order.index(before[-1]) + 1 if before else 0, name)
    slots = {}
    for name in order or [TEXT_SLOT]:
        options = dict.fromkeys((winner.slot(name), *own.get(name, ("",))))
        slots[f"added_{name}" if name == taken else name] = list(options)
    return slots


def _conversation(winner: Prompt) -> list[dict[str, str]]:
    """The solved examples with their answers, word for word, then what is asked."""
    messages = []
    for example in winner.demonstrations:
        asked = [(message.role, message.content) for message in example.asked]
        for role, content in (*asked, ("assistant", example.assistant)):
            messages.append({"role": role, "content": escaped(content)})
    return messages + [{"role": message.role, "content": message.content} for message in winner.user.messages]
