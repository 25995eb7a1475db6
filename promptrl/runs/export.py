"""A finished run's best prompt in the forms that other programs read."""

import json
from collections.abc import Mapping
from typing import Any

from promptrl.errors import RunLockedError, UsageError
from promptrl.prompts.placeholders import placeholders, without_literal
from promptrl.runs.folder import Run
from promptrl.runs.promptfoo import CheckedRows, promptfoo_config
from promptrl.runs.result import best_prompt

MODEL_PLACEHOLDER = "YOUR-MODEL"
"""Stands in exports where a served model's name belongs, when the run's target was not one."""
MODEL_NOTE = f"The run's target was no server: put the name of your model in place of {MODEL_PLACEHOLDER}."
NO_ROWS = CheckedRows()


def model_name(run: Run) -> str:
    """The model that a request can name; a placeholder unless the run asked a server."""
    target = run.info.get("target", {})
    return str(target["model"]) if target.get("type") == "openai" else MODEL_PLACEHOLDER


def export_prompt(run: Run, to: str, tried: CheckedRows = NO_ROWS, *, challenger: bool = False) -> str:
    """Render the best prompt of a run.

    Args:
        run: A finished run.
        to: ``txt``, ``text``, ``json``, ``openai`` or ``promptfoo``.
        tried: What promptfoo tries it on.
        challenger: The winner also where it is not proven better; else that is the user's own prompt.

    Raises:
        RunLockedError: The run is not done, so it has no best prompt yet.
        UsageError: The format is unknown, or the prompt is more than one text.
    """
    result = run.result
    if result is None:
        raise RunLockedError(f"run {run.id} is {run.status}: it has no best prompt yet")
    best = best_prompt(result, challenger=challenger)
    messages = best["messages"]
    target = run.info.get("target", {})
    if to == "txt":
        return str(best["text"]) + "\n"
    if to == "text":
        return _own_text(run, messages) + "\n"
    if to == "json":
        return json.dumps(messages, ensure_ascii=False, indent=2) + "\n"
    if to == "openai":
        request = {"model": model_name(run), "messages": messages, **target.get("params", {})}
        return json.dumps(request, ensure_ascii=False, indent=2) + "\n"
    if to == "promptfoo":
        return _promptfoo(run, result, target, tried)
    raise UsageError(f"can't export to {to!r}")


def _own_text(run: Run, messages: list[dict[str, str]]) -> str:
    """What the user keeps in a file: the system message, or the user message where ``prompt.text`` was one.

    Raises:
        UsageError: More than that belongs to the prompt.
    """
    head = messages[: -_template_length(run)]
    parts = [*head, messages[-1]] if _asks_by_its_text(run) else head
    if len(parts) > 1:
        way_on = "use json, or config for the next training"
        raise UsageError(f"--format text: the best prompt is {len(parts)} messages, not one text: {way_on}")
    return parts[0]["content"] if parts else ""


def _asks_by_its_text(run: Run) -> bool:
    """Whether ``prompt.text`` of the run's config is the user message, for it has a placeholder."""
    written = run.settings.get("prompt", {})
    return bool(placeholders(without_literal(written.get("text") or "", written.get("literal", ()))))


def _promptfoo(run: Run, result: Mapping[str, Any], target: Mapping[str, Any], tried: CheckedRows) -> str:
    settings = dict(target.get("params", {}))
    if target.get("base_url"):
        settings["apiBaseUrl"] = target["base_url"]
    if target.get("api_key_env"):
        settings["apiKeyEnvar"] = target["api_key_env"]
    provider = {"id": f"openai:chat:{model_name(run)}", "config": settings}
    notes = [MODEL_NOTE] if model_name(run) == MODEL_PLACEHOLDER else []
    return promptfoo_config(run.id, result, provider, _template_length(run), tried, notes)


def _template_length(run: Run) -> int:
    """How many of a prompt's last messages are the user template: the same number in all prompts of a run."""
    asked = next(iter(run.prompts().values()), None)
    return 1 if asked is None else len(asked.user.messages)
