"""Pages do what they say: their files and commands, in order, print what is shown and end in what is promised."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from tests.docs.pages import DOCS, carry_out

PAGES = (
    "tutorial/index.md",
    "how-to/nightly.md",
    "how-to/few-rows.md",
    "how-to/graded-metrics.md",
    "how-to/big-spaces.md",
)
ONLY_WHERE_NEEDED = {".charges.jsonl", "growth.jsonl", "judge_checks.json", "proposals.jsonl"}
NUMBER = re.compile(r"[+−-]?\d[\d.,]*(?:e[+-]?\d+)?")

FolderOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    """Gives the folder in which a page was carried out, once, beside the data that lie beside the page."""
    folders: dict[str, Path] = {}

    def carried_out(page: str) -> Path:
        if page not in folders:
            folder = tmp_path_factory.mktemp(Path(page).stem)
            for file in (DOCS / page).parent.glob("*.csv"):
                shutil.copy(file, folder)
            for block, printed in carry_out(page, folder):
                for line in block.output:
                    assert _shape(line) in _shape(printed), f"no command of {page} prints {line!r}, but\n{printed}"
            folders[page] = folder
        return folders[page]

    return carried_out


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_its_commands_print(page: str, folder_of: FolderOf) -> None:
    """Figures aside, which differ between machines; and its run is done."""
    assert _result(folder_of(page))["status"] == "done"


def test_the_tutorial_exports_its_proven_winner(folder_of: FolderOf) -> None:
    """Its last commands leave the prompt and the request that it speaks of."""
    folder = folder_of("tutorial/index.md")
    result = _result(folder)
    assert result["verdict"] == "improved"
    system = result["winner"]["messages"][0]["content"]
    assert (folder / "prompt.txt").read_text(encoding="utf-8") == system + "\n"
    slots = load_config(folder / "next.yaml").config.prompt.slots or {}
    assert " ".join(options[0] for options in slots.values() if options[0]) == system
    assert json.loads((folder / "request.json").read_text(encoding="utf-8"))["messages"] == result["winner"]["messages"]


@pytest.mark.parametrize("page", ["tutorial/index.md", "how-to/few-rows.md"])
def test_result_json_has_the_keys_that_the_reference_promises(page: str, folder_of: FolderOf) -> None:
    """No key is missing there, none is too many, and what lists and small objects hold is told in braces."""
    text = (DOCS / "reference" / "run-folder.md").read_text(encoding="utf-8")
    promised = dict(re.findall(r"^\| `([a-z_.]+)` \| [a-z]+ \| (.*?) \| [^|]*\|$", text, re.MULTILINE))
    given = dict(_documented_parts(_result(folder_of(page))))
    assert sorted(given) == sorted(promised)
    for key, value in given.items():
        item = value[0] if isinstance(value, list) and value else value
        braces = re.search(r"\{(.*?)\}", promised[key])
        if braces and isinstance(item, Mapping):
            assert sorted(item) == sorted(braces[1].split(", ")), key


@pytest.mark.parametrize("page", ["tutorial/index.md"])
def test_a_run_folder_holds_the_files_of_the_reference(page: str, folder_of: FolderOf) -> None:
    """Every file and folder that the first table names is there, but for evaluations and what only some runs need."""
    text = (DOCS / "reference" / "run-folder.md").read_text(encoding="utf-8").partition("## result.json")[0]
    cells = re.findall(r"^\| (.*?`.*?) \|", text, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} - {"evals/<n>/", *ONLY_WHERE_NEEDED}
    (run,) = (folder_of(page) / "runs").glob("*-0001")
    assert {name for name in names if not (run / name).exists()} == set()


def _result(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "runs").glob("*-0001/result.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _documented_parts(result: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with values; the winner has the baseline's, validation the test's, and the rest is in braces."""
    for key, value in result.items():
        yield f"{above}{key}", value
        if isinstance(value, Mapping) and f"{above}{key}" in (
            "baseline",
            "baseline.test",
            "improvement",
            "improvement.test",
            "calls",
        ):
            yield from _documented_parts(value, f"{above}{key}.")


def _shape(text: str) -> str:
    """A text without figures and widths."""
    return " ".join(NUMBER.sub("#", text).split())
