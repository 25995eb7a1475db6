"""What a run folder says about where its run came from: versions, commit, data, target. No secrets, no environment."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from promptrl.experiment.build import Components
from promptrl.search import observation
from promptrl.version import __version__

PACKAGES = ("torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy", "openai", "transformers")


def describe_run(components: Components) -> dict[str, Any]:
    """The keys of run.json that are known before the first call."""
    config = components.config
    target = config.target
    model = getattr(target, "model", None) or getattr(target, "function", None) or target.type
    return {
        "experiment": config.name,
        "stop_reason": None,
        "error": None,
        "seed": config.seed,
        "parent": None,
        "config": str(components.loaded.path.absolute()),
        "data_hash": components.data_hash,
        "observation": observation.FORMAT,
        "git_commit": _git_commit(components.loaded.folder),
        "versions": {"promptrl": __version__, "python": sys.version.split()[0], **_package_versions()},
        "target": {
            "type": target.type,
            "model": model,
            "base_url": getattr(target, "base_url", None),
            "api_key_env": getattr(target, "api_key_env", None),
            "params": components.loaded.target.request_params,
        },
        "given": components.given.identities,
    }


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _git_commit(folder: Path) -> str | None:
    """The commit of the checkout that holds the config, if it lies in one."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - git, with a folder as argument
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
