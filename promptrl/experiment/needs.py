"""What a config needs besides its data: packages, a device, a policy, parameters and limits that fit each other."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from promptrl.config import LoadedConfig
from promptrl.config.algorithms import AlgorithmBlock
from promptrl.config.metrics import QualityConfig
from promptrl.errors import Problem
from promptrl.llm.engine.reservations import completion_token_bound
from promptrl.llm.targets.local import LocalTargetDefinition
from promptrl.llm.targets.local_checkpoint import NANO
from promptrl.search.algorithms import ALGORITHMS, DEVICE, IMAGINED_STEPS, AgentSettings, check_params
from promptrl.search.hyperparameters import HIDDEN
from promptrl.trackers.registry import TRACKERS


def unmet_needs(loaded: LoadedConfig) -> Iterator[Problem]:
    """Everything of the kind that is wrong or not there; nothing is opened."""
    settings = loaded.config.algorithm.definition
    if isinstance(settings, AgentSettings):
        yield from check_params(loaded.config.algorithm.name, settings.params)
    yield from _lacking(loaded)
    yield from _proposer_problems(loaded)
    yield from _unlimited(loaded)


def _lacking(loaded: LoadedConfig) -> Iterator[Problem]:
    """What the config needs besides data and is not there."""
    for tracker in (TRACKERS[name] for name in loaded.config.trackers):
        if tracker.package and find_spec(tracker.package) is None:
            yield Problem("trackers", f"{tracker.package} is not installed", tracker.install)
    needed = loaded.config.algorithm.algorithm
    if needed.package and find_spec(needed.package) is None:
        message = f"{needed.name} needs {needed.package}, which is not installed"
        yield Problem("algorithm.name", message, f"pip install 'promptrl[{needed.extra}]'")
    settings = loaded.config.algorithm.definition
    if (
        isinstance(settings, AgentSettings)
        and settings.planning == "none"
        and settings.imagined_steps != IMAGINED_STEPS
    ):
        message = "means nothing with planning: none, where nothing is imagined"
        yield Problem("algorithm.imagined_steps", message, "remove the key, or write planning: surrogate")
    if loaded.config.warm_start == "builtin" and not _takes_builtin(loaded.config.algorithm):
        names = ", ".join(name for name, algorithm in ALGORITHMS.items() if algorithm.fits_builtin)
        fitting = f"planning: surrogate, policy: deepsets of width {HIDDEN} and one of {names}"
        yield Problem("warm_start", f"got builtin, a policy made for {fitting}", "write none, or change the algorithm")
    if device := _absent_device(loaded.config.algorithm):
        message = f"got {device}, which torch does not find here"
        yield Problem("algorithm.params.device", message, "write auto to take the best that is here, or cpu")
    yield from _packages_of_metrics(loaded)
    yield from _toy_judges(loaded)
    yield from _unkept_baselines(loaded)
    for key, model in loaded.models.items():
        for problem in model.lacks():
            yield replace(problem, key=f"{key}.{problem.key}")


def _packages_of_metrics(loaded: LoadedConfig) -> Iterator[Problem]:
    for position, metric in enumerate(loaded.config.reward.metrics):
        if isinstance(metric, QualityConfig) and (package := metric.definition.package) and not find_spec(package):
            message = f"needs {package}, which is not installed"
            hint = f"pip install 'promptrl[{metric.type}]', or declare a model to ask"
            yield Problem(f"reward.metrics.{position}", message, hint)


def _proposer_problems(loaded: LoadedConfig) -> Iterator[Problem]:
    """What is in the way of edits that a model proposes."""
    config, key = loaded.config, "edits.rewrite"
    if config.edits.proposed is None:
        return
    proposer = loaded.models.get(f"{key}.proposer")
    if proposer is None and not loaded.target.can_write:
        message = "is missing, and the run's own target can't write edits"
        yield Problem(
            f"{key}.proposer", message, "declare a model there as target does, or {type: recorded, path: FILE}"
        )
    elif proposer is not None and not proposer.can_write:
        yield Problem(f"{key}.proposer", "can't write edits", "name a model that can, or {type: recorded, path: FILE}")
    if not config.algorithm.algorithm.takes_growth(config.algorithm.definition):
        message = "can't take in edits that are proposed while it works, as edits.rewrite wants"
        yield Problem("algorithm.name", message, "use thompson, or an agent with algorithm.planning surrogate")
    if config.edits.reorder and config.prompt.text is not None:
        message = "can't stand beside edits.rewrite: sentences that are worded anew keep their places"
        yield Problem("edits.reorder", message, "write false, or leave edits.rewrite out")


def _toy_judges(loaded: LoadedConfig) -> Iterator[Problem]:
    """Metrics that would ask the bundled model, which can do its drills and nothing else."""
    target = loaded.target
    if not (isinstance(target, LocalTargetDefinition) and target.model == NANO):
        return
    for position, metric in enumerate(loaded.config.reward.metrics):
        if isinstance(metric, QualityConfig) and metric.definition.asks_target:
            message = "is missing, and the run's own target is nano, which can't judge"
            yield Problem(f"reward.metrics.{position}.judge", message, "declare a model there, as target declares one")


def _unkept_baselines(loaded: LoadedConfig) -> Iterator[Problem]:
    """Metrics that compare with the baseline's answer, where that is another one each time it is asked for."""
    config = loaded.config
    is_kept = config.cache.mode == "all" or (
        config.cache.mode == "deterministic" and loaded.target.request_params.get("temperature") == 0
    )
    for position, metric in enumerate(config.reward.metrics):
        if isinstance(metric, QualityConfig) and metric.definition.needs_baseline and not is_kept:
            message = "compares with the baseline's answer to each row, but the cache does not keep that"
            hint = "write cache.mode: all, or target.params.temperature: 0"
            yield Problem(f"reward.metrics.{position}.against", message, hint)


def _takes_builtin(block: AlgorithmBlock) -> bool:
    """Whether the built-in policy fits the agent; a baseline has none and doesn't mind."""
    settings = block.definition
    if not isinstance(settings, AgentSettings):
        return True
    network = settings.params.get("policy_kwargs")
    is_as_wide = not isinstance(network, dict) or network.get("hidden", HIDDEN) == HIDDEN
    is_alike = settings.policy == "deepsets" and settings.planning == "surrogate" and is_as_wide
    return block.algorithm.fits_builtin and is_alike


def _absent_device(block: AlgorithmBlock) -> str:
    """The device that an agent is to train on and torch does not find here; empty when all is well."""
    settings = block.definition
    device = str(settings.params.get("device", "cpu")) if isinstance(settings, AgentSettings) else "cpu"
    if device in ("cpu", "auto") or not DEVICE.fullmatch(device):
        return ""
    import torch

    kind, _, number = device.partition(":")
    here = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    return device if int(number or 0) >= here else ""


def _unlimited(loaded: LoadedConfig) -> Iterator[Problem]:
    """Answers without a limit, where money or tokens have one."""
    budget = loaded.config.budget
    limit = "budget.max_usd" if budget.max_usd is not None else "budget.max_tokens"
    is_limited = budget.max_usd is not None or budget.max_tokens is not None
    for key, model in loaded.models.items() if is_limited else ():
        if completion_token_bound(model.request_params) is None:
            message = f"is null, but {limit} can't be kept unless an answer has a limit"
            yield Problem(f"{key}.params.max_tokens", message, "say how many tokens an answer may have")
