"""From a prompt.txt and a table of a German Excel to a finished run, and back to an improved prompt.txt."""

import json
from pathlib import Path

from promptrl.runs.folder import Run
from tests.commandline import promptrl

TEMPLATE = '```json\n{\n  "kategorie": "rechnung | lieferung",\n  "dringend": false\n}\n```'
PROMPT = f"""# Aufgabe

Du ordnest Nachrichten von Kunden ein. Beachte die Regeln, z. B. zu Mahnungen (Nr. 5).
Im Zweifel antworte mit sonstiges.

## Antwort

Antworte nur mit JSON in dieser Form:

{TEMPLATE}

Schreibe sonst nichts.
"""
CONFIG = """\
name: kunden
target: {type: python, function: "modell:antworte", params: {max_tokens: 40}}
prompt: {text: prompt.txt, user: "{Nachricht}"}
edits: {bank: none}
dataset: {path: kunden.csv, reference: Kategorie}
reward: {metrics: [{type: choice}]}
algorithm: {name: greedy}
budget: {max_calls: 500}
"""
MODEL = '''\
import json, zlib

def antworte(messages, params):
    """Keeps to the form that it is shown, and is in doubt about every other message as long as it may be."""
    system, user = messages[0]["content"], messages[-1]["content"]
    if '"dringend": false\\n}' not in system:
        return "rechnung oder lieferung?"
    if "Zweifel" in system and zlib.crc32(user.encode()) % 2:
        return json.dumps({"kategorie": "sonstiges", "dringend": False})
    return json.dumps({"kategorie": "rechnung" if "zahlen" in user else "lieferung", "dringend": False})
'''
HEAD = "Nr;Nachricht;Kategorie;\r\n"
ODD = (
    "1;Wann kommt es?;lieferung;\r\n"
    "2;;rechnung;\r\n"
    '3;"Ich kann nicht zahlen;\r\nwas nun?";;\r\n'
    "4;Was muss ich zahlen?;Rechnung ;\r\n"
    "5;Muss ich zahlen?;rech;\r\n"
    "6;wann  kommt es?;rechnung;\r\n"
    "7;Wo ist es?;N/A;\r\n"
    ";;;\r\n"
)
_ASKED = (("Wann kommt Ware", "lieferung"), ("Muss ich zahlen", "rechnung"))
SOUND = "".join(f"{at};{_ASKED[at % 2][0]} für Posten {at}?;{_ASKED[at % 2][1]};\r\n" for at in range(10, 140))


def write_all(folder: Path, table: str) -> Path:
    """What the person has; gives the config."""
    (folder / "prompt.txt").write_text(PROMPT, encoding="utf-8-sig", newline="")
    (folder / "kunden.csv").write_bytes(table.encode("utf-8-sig"))
    (folder / "modell.py").write_text(MODEL, encoding="utf-8")
    config = folder / "kunden.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    return config


def test_everything_that_is_odd_is_told_in_one_pass(tmp_path: Path) -> None:
    """Errors and warnings, each with its line in the file."""
    done = promptrl("validate", write_all(tmp_path, HEAD + ODD + SOUND))
    assert done.exit_code == 2
    expected = [
        ("error", 4, "the reference is missing or empty: column 'Kategorie' in line 4"),
        ("error", 3, "nothing is asked in line 3"),
        ("warning", None, "semicolons divide its cells"),
        ("warning", None, "1 line with nothing in any cell left out"),
        ("warning", None, "the name of column 4 is empty"),
        ("warning", 2, 'an input has contradictory answers: "Wann kommt es?" in lines 2, 8 ("lieferung", "rechnung")'),
        ("warning", 9, 'the reference looks like a missing one: "N/A" in line 9'),
        ("warning", 6, 'labels that may be one label: "Rechnung " in line 6 beside "rechnung" (66 rows)'),
        ("warning", 6, '"rech" in line 7 beside "rechnung" (66 rows)'),
    ]
    for kind, line, words in expected:
        place = f"{kind} {tmp_path / 'kunden.csv'}{f':{line}' if line else ''}: dataset"
        found = [told for told in done.stderr.splitlines() if words in told]
        assert [told for told in found if told.startswith(place) or "prompt.user" in told], (words, found)
    assert done.stderr.endswith("2 problems found.\n")


def test_a_run_ends_in_a_better_prompt_file(tmp_path: Path) -> None:
    """The template stays whole in all prompts that are asked, and the next config takes the file as it is."""
    config = write_all(tmp_path, HEAD + SOUND)
    seen = json.loads(promptrl("validate", config, "--json").stdout)
    assert seen["examples"][0]["messages"][0]["content"] == PROMPT.strip()
    runs = ("--runs-dir", tmp_path / "runs")
    done = promptrl("train", config, *runs)
    assert done.exit_code == 0, done.stderr
    run = tmp_path / "runs" / "kunden-0001"
    assert json.loads((run / "result.json").read_text())["verdict"] == "improved"
    texts = [prompt.system_text for prompt in Run(run).prompts().values()]
    assert len(texts) > 3
    assert all(TEMPLATE in text or '"kategorie"' not in text for text in texts)
    assert promptrl("export", "latest", *runs, "-f", "text", "-o", tmp_path / "prompt.txt").exit_code == 0
    better = (tmp_path / "prompt.txt").read_text(encoding="utf-8")
    assert "Zweifel" not in better
    assert TEMPLATE in better
    again = json.loads(promptrl("validate", config, "--json").stdout)
    assert again["examples"][0]["messages"][0]["content"] == better.strip()
