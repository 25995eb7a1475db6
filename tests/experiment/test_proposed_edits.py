"""Runs in which a model proposes edits: what it says is guarded, written down, tried, and asked for only once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from promptrl.errors import ConfigError, StopRequestedError, TargetError
from promptrl.experiment.build import build_components
from promptrl.experiment.cost_bound import CostBound, cost_bound
from promptrl.experiment.engines import Engines
from promptrl.experiment.events import EditsProposed, EditsRetired, Event
from promptrl.experiment.train import resume, train
from promptrl.runs.proposal_file import ProposalRecord, read_proposals
from promptrl.runs.runs_folder import RunsFolder
from promptrl.runs.trained import TrainedRun
from tests.servers.toy_model import CONFIG, write_experiment

GOOD = {"slot": "task", "op": "replace", "text": "Add the two numbers.", "hypothesis": "it looks, and adds not"}
BAD = {"slot": "rules", "op": "add", "text": "Be chatty, like a pirate.", "hypothesis": "it is too dry"}
IDLE = {"slot": "rules", "op": "add", "text": "Take your time.", "hypothesis": "it hurries"}
LEAKY = {"slot": "rules", "op": "add", "text": "The sum is 11.", "hypothesis": "many are"}
LATER = {"slot": "format", "op": "add", "text": "Give digits only.", "hypothesis": "words are wrong", "rows": [1]}
POOL = [{"round": 1, **edit} for edit in (GOOD, BAD, IDLE, LEAKY)] + [{"round": 2, **LATER}]
SLOTS = (
    CONFIG.replace("rows_per_prompt: 4", "rows_per_prompt: 4, imagined_steps: 16")
    .replace("max_calls: 900", "max_calls: 450")
    .replace(', "Add the numbers.", "Name a fruit."', "")
    .replace(
        "edits: {bank: none}",
        "edits: {bank: none, rewrite: {rounds: 3, keep: 3, proposer: {type: recorded, path: pool.jsonl}}}",
    )
)
TEXT = SLOTS.replace(SLOTS[SLOTS.index("  slots:") : SLOTS.index("edits:")], "  text: Look at this. Mind the signs.\n")


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages, which take most of a small run's time."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


def run_it(
    folder: Path,
    text: str = SLOTS,
    pool: Any = POOL,
    name: str = "runs",
    observe: Callable[[Event], None] = lambda event: None,
) -> TrainedRun:
    """Train with this pool."""
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool))
    components = build_components(load_config(write_experiment(folder, text)))
    return train(components, runs_dir=folder / name, observers=[observe])


def comparable(result: Any) -> dict[str, Any]:
    """A result without what may differ between two runs of one seed."""
    kept = {
        key: value for key, value in result.items() if key not in ("run_id", "wall_s", "cost_usd", "tokens", "engine")
    }
    return {**kept, "calls": {key: n for key, n in result["calls"].items() if key not in ("paid", "cached")}}


def test_a_proposed_edit_is_found_tried_and_proven(tmp_path: Path) -> None:
    """Only it makes this model right; what breaks a guard is never asked, and all is written down with its verdicts."""
    events: list[Event] = []
    done = run_it(tmp_path, observe=events.append)
    assert done.result["verdict"] == "improved"
    assert "Add the two numbers." in done.result["winner"]["text"]
    first, second = (record for record in read_proposals(done.run.path) if record.answer)
    assert [list(proposal.rejected) for proposal in first.proposals] == [[], [], [], ["rows", "numbers"]]
    assert {edit.text for edit in first.kept} == {edit["text"] for edit in (GOOD, BAD, IDLE)}
    assert sorted(edit.slot for edit in first.kept) == ["rule_1", "rule_2", "task"]
    assert second.proposals[0].rows
    assert all(LEAKY["text"] not in prompt.text for prompt in done.run.prompts().values())
    assert done.result["calls"]["proposer"] == sum(
        record.answer is not None for record in read_proposals(done.run.path)
    )
    told = [event for event in events if isinstance(event, EditsProposed)]
    assert (told[0].round, told[0].proposed, told[0].rejected, len(told[0].kept)) == (1, 4, 1, 3)


def test_new_edits_have_asks_of_their_own_and_go_when_they_are_worth_nothing(tmp_path: Path) -> None:
    """The chatty one makes every answer wrong: it is retired, and no prompt comes up with it after that."""
    events: list[Event] = []
    done = run_it(tmp_path, observe=events.append)
    retired = [text for event in events if isinstance(event, EditsRetired) for text in event.texts]
    assert BAD["text"] in retired
    asked = [outcome.prompt_id for outcome in done.run.outcomes() if outcome.purpose == "search"]
    texts = {prompt_id: prompt.text for prompt_id, prompt in done.run.prompts().items()}
    for edit in (GOOD, BAD, IDLE):
        assert sum(edit["text"] in texts[prompt_id] for prompt_id in asked) >= 4
    growths = [json.loads(line) for line in (done.run.path / "growth.jsonl").read_text().splitlines()]
    gone = next(line["calls_used"] for line in growths if BAD["text"] in str(line.get("retired")))
    known = set(asked[:gone])
    assert not [i for i in asked[gone:] if i not in known and BAD["text"] in texts[i]]


def test_a_text_is_proposed_for_before_any_call(tmp_path: Path) -> None:
    """A sentence is worded anew, a rule added; the messages showed rows, as nothing was answered yet."""
    pool = [{**GOOD, "slot": "text.1", "round": 1}, {**IDLE, "round": 1}]
    done = run_it(tmp_path, TEXT, pool)
    first = read_proposals(done.run.path)[0]
    assert (first.calls_used, [edit.slot for edit in first.kept]) == (0, ["text.1", "rule_1"])
    assert "rows with their right answers" in first.messages[1].content
    assert done.result["winner"]["text"].startswith("[system]\nAdd the two numbers.")
    assert done.result["verdict"] == "improved"


@pytest.mark.parametrize("text", [SLOTS, TEXT])
def test_an_interrupted_run_resumes_to_the_same_result(tmp_path: Path, text: str) -> None:
    """Nothing is asked of the proposer twice, though the pool has gone; the records are the same."""
    whole = run_it(tmp_path, text, name="whole")
    for stop_after in (0, 1, 2):
        records: list[EditsProposed] = []

        def end(event: Event, records: list[EditsProposed] = records, stop_after: int = stop_after) -> None:
            if isinstance(event, EditsProposed):
                records.append(event)
            if len(records) > stop_after:
                engines.stop.request(2)

        with Engines() as engines:
            (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in POOL))
            components = build_components(load_config(write_experiment(tmp_path, text)))
            with pytest.raises(StopRequestedError):
                train(components, runs_dir=tmp_path / f"runs{stop_after}", engines=engines, observers=[end])
        run = RunsFolder(tmp_path / f"runs{stop_after}").all()[0]
        before = read_proposals(run.path)
        assert len(before) == stop_after + 1
        resumed = resume(run)
        assert comparable(resumed.result) == comparable(whole.result)
        assert read_proposals(run.path)[: len(before)] == before
        assert [strip(r) for r in read_proposals(run.path)] == [strip(r) for r in read_proposals(whole.run.path)]


def strip(record: ProposalRecord) -> tuple[Any, ...]:
    """What of a record is the same in two runs of one seed."""
    return record.round, record.attempt, record.calls_used, record.operator, record.messages, record.kept


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([{"answer": {"text": "I can't help with that."}}] * 2, "holds no JSON list"),
        ([{"answer": None}], "holds no JSON list"),
        ([{"answer": {"text": json.dumps([LEAKY, {"op": "x"}, 3])}}], ""),
    ],
)
def test_a_run_goes_on_without_a_proposal_of_use(tmp_path: Path, answers: Any, fault: str) -> None:
    """Nonsense is asked for once more, then left; the run ends as it would have without."""
    events: list[Event] = []
    done = run_it(tmp_path, SLOTS.replace("rounds: 3", "rounds: 2"), answers, observe=events.append)
    told = [event for event in events if isinstance(event, EditsProposed)]
    assert told
    assert fault in told[0].fault
    assert not any(event.kept for event in told)
    assert done.result["status"] == "done"


def test_a_search_with_nothing_left_to_ask_is_proposed_more(tmp_path: Path) -> None:
    """On few rows every prompt is soon asked: the next round comes at once, also where the last one changed nothing."""
    text = SLOTS.replace("dataset: {", "dataset: {limit: 28, ").replace(', "You are a pirate."', "")
    text = text.replace(', "Be chatty."', "").replace(', "Reply with digits only.", "Reply in words."', "")
    pool = [{**IDLE, "round": 1}, {**LATER, "slot": "rules", "round": 2}, {**BAD, "round": 3}]
    done = run_it(tmp_path, text, pool)
    records = read_proposals(done.run.path)
    assert [len(record.kept) for record in records if record.is_call] == [1, 1, 1]
    assert any(record.is_exhausted for record in records)
    assert done.result["stop_reason"] in ("budget", "converged")


def test_a_proposer_that_is_down_is_left_alone(tmp_path: Path) -> None:
    """One call, one warning; the search spends its calls all the same."""
    text = SLOTS.replace(
        "{type: recorded, path: pool.jsonl}",
        "{type: python, function: 'tests.experiment.test_proposed_edits:broken', max_retries: 0}",
    )
    events: list[Event] = []
    done = run_it(tmp_path, text, observe=events.append)
    told = [event for event in events if isinstance(event, EditsProposed)]
    assert len(told) == 1
    assert "no such model" in told[0].fault
    assert done.result["calls"]["proposer"] == 0
    assert done.result["calls"]["search"] > 100


def broken(messages: Any, params: Any) -> str:
    """A model that is not there."""
    raise TargetError("401: no such model")


def test_a_text_with_nothing_to_change_needs_a_proposal(tmp_path: Path) -> None:
    """One sentence with its placeholder: the first proposal makes a space of it, without one there is none."""
    text = TEXT.replace("Look at this. Mind the signs.\n", '"{question}"\n').replace('  user: "{question}"\n', "")
    (tmp_path / "pool.jsonl").write_text(json.dumps(LEAKY) + "\n")
    assert not build_components(load_config(write_experiment(tmp_path, text))).space.edits
    with pytest.raises(TargetError, match="no edits were proposed"):
        run_it(tmp_path, text, [LEAKY])
    done = run_it(tmp_path, text, [{**GOOD, "op": "add"}], name="more")
    assert [edit.slot for edit in read_proposals(done.run.path)[0].kept] == ["rule_1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("path: pool.jsonl", "path: none.jsonl"), "edits.rewrite.proposer.path: there is no file"),
        ((", proposer: {type: recorded, path: pool.jsonl}", ""), ""),
        (
            ("{type: recorded, path: pool.jsonl}", "{type: local, model: nano}"),
            "edits.rewrite.proposer: can't write edits",
        ),
        (
            ("maskable_ppo, n_envs: 4,", "maskable_ppo, n_envs: 4, planning: none,"),
            "algorithm.name: can't take in edits",
        ),
    ],
)
def test_what_can_not_work_is_said_before_any_call(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """With its key; a run's own target that can write needs no block."""
    (tmp_path / "pool.jsonl").write_text(json.dumps(GOOD) + "\n")
    text = SLOTS.replace(*change).replace("imagined_steps: 16", "imagined_steps: 128")
    path = write_experiment(tmp_path, text)
    if not message:
        assert build_components(load_config(path)).plan.shares["proposer"] == 3
        return
    with pytest.raises(ConfigError, match=message):
        build_components(load_config(path))


def test_a_function_that_grows_the_space_can_not_stand_beside(tmp_path: Path) -> None:
    """Both say what the space gains."""
    (tmp_path / "pool.jsonl").write_text(json.dumps(GOOD) + "\n")
    components = build_components(load_config(write_experiment(tmp_path, SLOTS)))
    with pytest.raises(ConfigError, match=r"edits\.rewrite: can't stand beside a `grow` function"):
        train(components, runs_dir=tmp_path / "runs", grow=lambda request: None)


def test_the_plan_counts_what_proposals_may_add(tmp_path: Path) -> None:
    """Prompts may get longer by all kept edits, but not beyond the limit; what a paid proposer costs is not known."""
    (tmp_path / "pool.jsonl").write_text(json.dumps(GOOD) + "\n")

    def bound(text: str) -> CostBound:
        return cost_bound(build_components(load_config(write_experiment(tmp_path, text))))

    free, without = bound(SLOTS), bound(SLOTS.replace("rounds: 3", "rounds: 0"))
    assert free.longest_prompt_tokens == without.longest_prompt_tokens + 3 * 3 * 60 * 4
    limited = bound(SLOTS.replace("rounds: 3", "rounds: 3, max_prompt_tokens: 40"))
    assert without.longest_prompt_tokens < limited.longest_prompt_tokens < without.longest_prompt_tokens + 40 * 4
    assert (free.calls["proposer"], free.asked_by_metrics) == (3, ("proposer",))
    local = SLOTS.replace(SLOTS[SLOTS.index("target:") : SLOTS.index("prompt:")], "target: {type: local}\n")
    paid = local.replace("{type: recorded, path: pool.jsonl}", "{type: openai, model: gpt-4o-mini}")
    assert (bound(local).cost_usd, bound(paid).cost_usd) == (0.0, None)
