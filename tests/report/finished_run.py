"""A finished run as a report reads it, with texts of a test's choice, and what a browser makes of a page."""

from html.parser import HTMLParser
from typing import Any

from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion
from promptrl.report.record import RunRecord
from promptrl.tasks.dataset import Example

HOSTILE = (
    "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> {{ 7 * 7 }} $x^2$ \x1b[31m\x00"
)


def standing(prompt_id: str, text: str, validation: float, test: float) -> dict[str, Any]:
    """One prompt's entry in result.json."""

    def split(score: float, rows: int) -> dict[str, Any]:
        return {
            "score": score,
            "low": max(0, score - 0.1),
            "high": min(1, score + 0.1),
            "rows": rows,
            "objective": score,
        }

    messages = [{"role": "system", "content": text}, {"role": "user", "content": "{question}"}]
    whole = f"[system]\n{text}\n\n[user]\n{{question}}"
    return {
        "prompt_id": prompt_id,
        "text": whole,
        "messages": messages,
        "validation": split(validation, 30),
        "test": split(test, 40),
    }


def named(text: str, slot: str = "role") -> dict[str, Any]:
    """An edit as attribution.json names it."""
    return {"edit": f'{slot} = "{text}"', "slot": slot, "text": text}


def make_record(hostile: str = "plainly wrong", verdict: str = "improved") -> RunRecord:
    """A finished run whose winner fixes 20 of 40 test rows and breaks 2; the texts are the model's own."""
    outcomes = [outcome("a" if i % 2 else "b", f"t{i}", "search", float(i % 3 == 0), hostile) for i in range(90)]
    for i in range(40):
        outcomes.append(outcome("a", f"r{i}", "test", float(i >= 38), hostile))
        outcomes.append(outcome("b", f"r{i}", "test", float(i < 20), "42"))
    effects = [named(f"Do {hostile}") | {"effect": 0.1, "low": 0.02, "high": 0.2, "answers": 40}]
    pairs = [
        {"strength": 0.2, "low": 0.1, "high": 0.3, "answers": 9, "first": named(hostile), "second": named("b", "t")}
    ]
    return RunRecord(
        run_id="toy-0001",
        info={"started": "2026-01-02T03:04:05", "data_hash": "abc", "versions": {"promptrl": "0.1.0"}},
        result={
            "verdict": verdict,
            "baseline": standing("a", "Add it up.", 0.1, 0.05),
            "winner": standing("b", f"Add it up. {hostile}", 0.6, 0.5),
            "improvement": {
                "against": "baseline",
                "test": {"score": 0.45, "low": 0.28, "high": 0.6, "p_value": 1e-5, "rows": 40, "method": "exact"},
            },
            "calls": {"total": 240, "paid": 200, "cached": 40, "search": 90, "validation": 70, "test": 80}
            | {"judge": 0, "proposer": 0},
            "tokens": {"prompt": 1000, "completion": 500},
            "cost_usd": None,
            "wall_s": 75.0,
            "seed": 3,
            "stop_reason": "budget",
        },
        attribution={
            "confidence": 0.9,
            "uniform_answers": 90,
            "effects": effects,
            "winner": [
                named(hostile) | {"effect": 0.3, "low": 0.1, "high": 0.5, "rows": 30, "tokens": 5, "is_pruned": False}
            ],
            "pruning": {
                "tokens_before": 30.0,
                "tokens_after": 20.0,
                "change": {"score": 0.0, "low": -0.05, "high": 0.05, "rows": 30},
            },
            "interactions": pairs,
            "depth": {"early": 1.2, "late": 3.4},
            "attention": [named(hostile) | {"early": 0.2, "late": 0.8}],
            "policy": [
                {"taken": named(hostile), "probability": 0.75, "stop": 0.05, "others": []},
                {
                    "taken": {"edit": "stop", "slot": "", "text": ""},
                    "probability": 0.9,
                    "stop": 0.9,
                    "others": [named(hostile) | {"probability": 0.07}],
                },
            ],
        },
        leaderboard=[
            {
                "prompt_id": "b",
                "score": 0.6,
                "rows": 30,
                "difference": 0.5,
                "sd": 0.1,
                "is_baseline": False,
                "text": hostile,
            },
            {
                "prompt_id": "a",
                "score": None,
                "rows": 0,
                "difference": None,
                "sd": None,
                "is_baseline": True,
                "text": "x",
            },
        ],
        outcomes=outcomes,
        config_text=f"name: toy # {hostile}",
        settings={"gate": {"min_improvement": 0.0, "margin": 0.02}},
        examples={f"r{i}": Example(f"r{i}", {"question": f"{i}? {hostile}"}, "42", {}) for i in range(40)},
    )


def outcome(prompt: str, row: str, purpose: Any, score: float, text: str) -> Outcome:
    """One answer."""
    return Outcome(prompt, row, 0, purpose, Completion(text, prompt_tokens=10), {}, score, score, f"because {text}")


class Page(HTMLParser):
    """What a browser would make of a page: its tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += data
