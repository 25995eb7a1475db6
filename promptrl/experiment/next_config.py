"""The config of a finished run with its best prompt as the baseline: what the next training starts from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptrl.config import LoadedConfig, load_config, load_text
from promptrl.config.moving import moved
from promptrl.config.prompts import PromptConfig
from promptrl.config.rewriting import rewritten
from promptrl.config.source import SourceError, parse
from promptrl.errors import ConfigError, RunLockedError, RunNotFoundError, UsageError
from promptrl.experiment.build import baseline_of
from promptrl.experiment.data import unfilled_columns
from promptrl.llm.targets.python import PythonTargetDefinition
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.files import TEXT_SLOT, template_messages
from promptrl.prompts.placeholders import escaped
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import CONFIG_NAME, Run
from promptrl.runs.reading import read_text
from promptrl.runs.result import best_prompt
from promptrl.tasks.metrics.python import PythonMetric

HEAD = "# The baseline is the "


@dataclass(frozen=True, slots=True)
class NextConfig:
    """What the next training starts from.

    Attributes:
        text: The config.
        notes: What it has lost against the one of this run, in sentences.
    """

    text: str
    notes: tuple[str, ...] = ()


def next_config(run: Run, *, challenger: bool = False, folder: Path | None = None) -> NextConfig:
    """The config that the user wrote, with the winner in the place of the baseline if it is proven better.

    Slots have the winner's option first and keep the others; a plain text stands as the winner has it; the solved
    examples that it shows become the first messages of ``prompt.user``. All else stays as it was written.
    The resolved config takes its place where that is not enough, as when keys of the prompt were overridden.

    Args:
        run: A finished run.
        challenger: Take the winner whatever the verdict.
        folder: Where the config shall lie: relative paths are written so that they hold there; None = as they were.

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
            loaded = None if config is None else _beginning_with(config, path, winner)
            if loaded is not None:
                notes = [*_lost_edits(resolved.config.prompt, loaded.config.prompt)]
                notes += _lost_modules(loaded, folder)
                return NextConfig(head + (loaded.text if folder is None else moved(loaded, folder)), tuple(notes))
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


def _beginning_with(text: str, path: Path, winner: Prompt) -> LoadedConfig | None:
    """The config that the text is, if it can be trained and asks first what the winner asks."""
    names = winner.user.placeholders
    try:
        loaded = load_text(text, path)
        baseline = baseline_of(loaded)
    except ConfigError:
        return None
    is_refused = any(not problem.is_warning for problem in unfilled_columns(loaded, set(names)))
    if baseline.user.placeholders != names or is_refused:
        return None
    fields = {name: f"<{name}>" for name in names}
    return loaded if baseline.render(fields) == winner.render(fields) else None


def _lost_edits(before: PromptConfig, after: PromptConfig) -> Iterator[str]:
    if before.text is not None and after.text is None:
        now = "prompt.user" if before.text_template else "an option of prompt.slots"
        yield f"prompt.text is {now} now, for the winner has more messages: its sentences are no edits any more."


def _lost_modules(loaded: LoadedConfig, folder: Path | None) -> Iterator[str]:
    """Functions of one's own are looked for beside the config."""
    if folder is None or folder.resolve() == loaded.folder.resolve():
        return
    config = loaded.config
    definitions = [*loaded.models.values(), *(metric.definition for metric in config.reward.qualities)]
    found = [each.function for each in definitions if isinstance(each, PythonMetric | PythonTargetDefinition)]
    if found:
        yield f"{', '.join(dict.fromkeys(found))}: looked for beside the config, so copy the code to it."


def _blocks(config: PromptConfig, winner: Prompt, taken: str | None) -> Iterator[dict[str, Any]]:
    """What the keys of the prompt may say, the closest to the user's own first."""
    shown: dict[str, Any] = {}
    if winner.demonstrations:
        shown = {"user": _conversation(winner), "demonstrations": {"max": 0}}
    if config.slots is not None:
        yield {"slots": _slots(config.slots, winner, taken), **shown}
    elif config.text_template:
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
