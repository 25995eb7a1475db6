"""Everything wrong with a config and its data is found before a call is paid for, and told at once."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.config.source import dump
from promptrl.errors import ConfigError
from promptrl.experiment import needs
from promptrl.experiment.build import build_components
from promptrl.experiment.call_plan import MIN_SEARCH_CALLS, plan_calls
from promptrl.selection.pruning import LEAST_CALLS, MIN_CONFIRMING_ROWS
from tests.servers.toy_model import CONFIG, write_experiment


def problems_of(config: Path, *overrides: str) -> dict[str, str]:
    """What is wrong, by key."""
    with pytest.raises(ConfigError) as caught:
        build_components(load_config(config, overrides))
    return {problem.key: f"{problem.message} ({problem.hint})" for problem in caught.value.problems}


def test_data_and_prompt_are_blamed_together(tmp_path: Path) -> None:
    """A missing file does not hide the slot that is wrong, nor a parameter out of range."""
    config = write_experiment(tmp_path, CONFIG.replace("mood: [", "words: ["))
    changed = ("dataset.path=missing.csv", "algorithm.params.gamma=2", "edits.tokens=[please]")
    assert set(problems_of(config, *changed)) == {"dataset.path", "prompt.slots.words", "algorithm.params.gamma"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (["dataset.folds=10", "dataset.limit=30"], "dataset.folds"),
        (["dataset.splits={train: 0.98, validation: 0.01, test: 0.01}", "dataset.limit=20"], "dataset.splits"),
        (["budget.max_calls=20"], "budget.max_calls"),
    ],
)
def test_what_the_rows_are_too_few_for_is_told_with_a_row_that_is_empty(
    changes: list[str], key: str, tmp_path: Path
) -> None:
    """Whoever fills the cell in, or takes the row out, meets no second list of faults."""
    config = write_experiment(tmp_path)
    with (tmp_path / "sums.csv").open("a", encoding="utf-8") as file:
        file.write(",7\n")
    assert {"dataset.input", key} <= set(problems_of(config, *changes))


def test_rows_are_not_too_few_where_most_can_not_be_read(tmp_path: Path) -> None:
    """What follows from a fault is none of its own."""
    config = write_experiment(tmp_path)
    rows = [",7"] * 50 + [f"{a} + 1,{a + 1}" for a in range(10)]
    (tmp_path / "sums.csv").write_text("\n".join(["question,sum", *rows, ""]), encoding="utf-8")
    assert set(problems_of(config, "dataset.folds=9")) == {"dataset.input"}


def test_each_file_is_blamed(tmp_path: Path) -> None:
    """With a file per split, all that are missing are named."""
    config = write_experiment(
        tmp_path, CONFIG.replace("path: sums.csv", "files: {train: a.csv, validation: sums.csv, test: c.csv}")
    )
    assert set(problems_of(config)) == {"dataset.files.train", "dataset.files.test"}


def test_references_that_a_metric_refuses_are_told_with_their_lines(tmp_path: Path) -> None:
    """Of each file where there are several."""
    config = write_experiment(tmp_path, CONFIG.replace("{type: exact_match}", "{type: numeric_match}"))
    lines = (tmp_path / "sums.csv").read_text(encoding="utf-8").splitlines()
    lines[2:4] = [f"{line.rpartition(',')[0]},about ten" for line in lines[2:4]]
    (tmp_path / "sums.csv").write_text("\n".join(lines), encoding="utf-8")
    told = problems_of(config)["reward.metrics.0"]
    assert "'about ten' is no number (and 1 row more; lines 3, 4)" in told
    for name, part in (("a", lines[1:20]), ("b", lines[20:40]), ("c", lines[40:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([lines[0], *part]), encoding="utf-8")
    config.write_text(
        config.read_text(encoding="utf-8").replace(
            "path: sums.csv", "files: {train: a.csv, validation: b.csv, test: c.csv}"
        ),
        encoding="utf-8",
    )
    assert "a.csv lines 3, 4)" in problems_of(config)["reward.metrics.0"]


def test_data_that_can_not_be_read_does_not_make_the_prompt_wrong(tmp_path: Path) -> None:
    """Where demonstrations are all that may change, the lack of them is not told as a second fault."""
    slots = CONFIG[CONFIG.index("  slots:") : CONFIG.index("edits:")]
    config = write_experiment(tmp_path, CONFIG.replace(slots, "  slots: {task: [Add.]}\n  demonstrations: {max: 2}\n"))
    assert build_components(load_config(config)).space.n_edits > 0
    assert set(problems_of(config, "dataset.path=missing.csv")) == {"dataset.path"}


def test_a_replay_file_must_be_there(tmp_path: Path) -> None:
    """Validating says so already."""
    config = write_experiment(tmp_path)
    problems = problems_of(config, "target={type: replay, path: log.jsonl}")
    assert str(tmp_path / "log.jsonl") in problems["target.path"]
    (tmp_path / "log.jsonl").write_text("")
    assert build_components(load_config(config, ["target={type: replay, path: log.jsonl}"])).plan.total == 900


def test_tensorboard_must_be_installed_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds an empty dashboard in the morning."""
    config = write_experiment(tmp_path)
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "tensorboard" else find_spec(name))
    assert "promptrl[tensorboard]" in problems_of(config, "trackers=[tensorboard]")["trackers"]
    assert build_components(load_config(config)).plan.total == 900


def test_a_device_that_is_not_here_is_told_before_a_call(tmp_path: Path) -> None:
    """One that has no such number on any machine; what torch may choose itself is always there."""
    config = write_experiment(tmp_path)
    problems = problems_of(config, "algorithm.params={device: 'cuda:99'}", "dataset.path=missing.csv")
    assert "torch does not find here" in problems["algorithm.params.device"]
    assert build_components(load_config(config, ["algorithm.params={device: auto}"])).plan.total == 900


@pytest.mark.parametrize(
    ("override", "is_wrong"),
    [
        ("algorithm.name=a2c", False),
        ("algorithm={name: random}", False),
        ("algorithm.name=dqn", True),
        ("algorithm.policy=transformer", True),
        ("algorithm.planning=none", True),
        ("algorithm.params={policy_kwargs: {hidden: 64}}", True),
        ("algorithm.params={policy_kwargs: {hidden: 32}}", False),
    ],
)
def test_the_builtin_policy_is_refused_where_it_does_not_fit(tmp_path: Path, override: str, is_wrong: bool) -> None:
    """Rather than left out in silence; a baseline reads no policy at all."""
    config = write_experiment(tmp_path)
    problems = problems_of(config, "warm_start=builtin", override, "dataset.path=missing.csv")
    assert ("warm_start" in problems) is is_wrong


def test_imagined_steps_mean_nothing_on_the_live_model(tmp_path: Path) -> None:
    """The key is named; left at its default it is no fault, for resolved configs hold it."""
    config = write_experiment(tmp_path)
    overrides = ["algorithm.name=ppo", "algorithm.planning=none"]
    build_components(load_config(config, [*overrides, "algorithm.imagined_steps=128"]))
    with pytest.raises(ConfigError, match=r"algorithm\.imagined_steps: means nothing with planning: none"):
        build_components(load_config(config, [*overrides, "algorithm.imagined_steps=500"]))


def test_optuna_must_be_installed_for_tpe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other baselines do without, and the message names the extra."""
    config = write_experiment(tmp_path)
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "optuna" else find_spec(name))
    assert "promptrl[tpe]" in problems_of(config, "algorithm={name: tpe}")["algorithm.name"]
    assert build_components(load_config(config, ["algorithm={name: random}"])).plan.total == 900


def test_runs_with_other_seeds_have_the_same_test_rows(tmp_path: Path) -> None:
    """Else a history of nights would not know what it looked at; the division has a seed of its own."""
    config = write_experiment(tmp_path)
    splits = [
        build_components(load_config(config, [override])).splits
        for override in ("seed=0", "seed=1", "dataset.split_seed=1")
    ]
    assert splits[0] == splits[1]
    assert splits[0].test != splits[2].test


def test_the_gate_decides_what_the_test_rows_can_show(tmp_path: Path) -> None:
    """A stricter or a sequential gate needs a larger improvement."""
    config = write_experiment(tmp_path)
    plain, strict, sequential = (
        build_components(load_config(config, overrides)).power.smallest_improvement
        for overrides in ([], ["gate.confidence=0.99"], ["gate.sequential=true"])
    )
    assert 0 < (plain or 0) < min(strict or 0, sequential or 0)


def test_questions_of_metrics_have_a_share_of_the_calls() -> None:
    """With two for each answer the prompts get a third of the calls; too few say how many would do."""
    plan = plan_calls(3002, validation_rows=150, test_rows=150, most_edits=5, beside={"judge": 2})
    assert (plan.by_stage, plan.beside) == (plan_calls(1000, 150, 150, most_edits=5).by_stage, {"judge": 2002})
    assert (plan.total, sum(plan.shares.values())) == (3002, 3002)
    with pytest.raises(ConfigError, match="at least 1080, or fewer test rows"):
        plan_calls(1000, validation_rows=150, test_rows=150, beside={"judge": 2})


def test_the_finals_are_given_no_more_calls_than_their_rows_take() -> None:
    """The baseline and eight challengers, each on every validation row."""
    plan = plan_calls(10_000, validation_rows=10, test_rows=50)
    assert (plan.validation, plan.test, plan.total) == (90, 100, 10_000)


def test_pruning_gets_a_small_share_of_the_search() -> None:
    """A twentieth of what the test leaves, and part of what the finals had: enough for a winner of a few edits."""
    without, plan = (plan_calls(1000, validation_rows=150, test_rows=150, most_edits=n) for n in (0, 5))
    assert (without.search, without.validation, without.pruning) == (525, 175, 0)
    assert (plan.search, plan.validation, plan.pruning, plan.total) == (490, 210, 35, 1000)
    assert plan.finals == without.finals
    assert plan.validation - plan.finals >= LEAST_CALLS


@pytest.mark.parametrize(
    ("max_calls", "validation_rows", "most_edits"), [(500, 150, 5), (1000, MIN_CONFIRMING_ROWS - 1, 5), (1000, 150, 1)]
)
def test_the_search_gives_up_nothing_that_could_prune_nothing(
    max_calls: int, validation_rows: int, most_edits: int
) -> None:
    """Too few calls, too few rows, or one edit at most."""
    sizes = {"validation_rows": validation_rows, "test_rows": 150}
    assert plan_calls(max_calls, **sizes, most_edits=most_edits) == plan_calls(max_calls, **sizes)


def test_pruning_takes_no_more_than_it_can_use() -> None:
    """What the finals keep back is enough in a long run."""
    assert plan_calls(50_000, validation_rows=400, test_rows=150, most_edits=5).pruning == 0


def test_demonstrations_follow_the_edited_template(tmp_path: Path) -> None:
    """A sentence that the search drops from a ``text:`` template is in no demonstration either."""
    prompt = 'prompt: {text: "Be chatty. Add the numbers. {question}", demonstrations: {max: 2}}\nedits:'
    config = write_experiment(tmp_path, re.sub(r"prompt:.*?edits:", lambda _: prompt, CONFIG, flags=re.DOTALL))
    built = build_components(load_config(config))
    shown = built.space.baseline
    for kind in ("add_demonstration", "drop_phrase"):
        shown = next(edit for edit in built.space.edits if edit.kind == kind).apply(shown)
    asked = [message.content for message in shown.render(built.splits.test[0].fields) if message.role == "user"]
    assert len(asked) == 2
    assert all(text.startswith("Add the numbers. ") for text in asked)


def test_shares_beside_the_answers_have_names_of_their_own() -> None:
    """Each holds what all answers together bring; a stage's name can't be taken."""
    plan = plan_calls(4000, validation_rows=150, test_rows=150, beside={"judge": 2, "rewriter": 1})
    assert (plan.answers, plan.beside, plan.total) == (1000, {"judge": 2000, "rewriter": 1000}, 4000)
    with pytest.raises(ValueError, match="test can't be paid for"):
        plan_calls(4000, validation_rows=150, test_rows=150, beside={"test": 1})


@pytest.mark.parametrize(
    ("prompt", "overrides", "advice"),
    [
        ("Add. Sum: {question}", [], "write edits.bank: none to"),
        ("Add. Sum: {question}", ["edits.tokens=[please]"], "write edits.bank: none and edits.tokens: null to"),
        ("Add. Sum: {question}", ["edits.bank=none"], None),
        ("Add. Be brief.", ["prompt.user={question}"], None),
        (
            "Add. Be brief.",
            ["prompt.user={question}", "prompt.demonstrations.max=1"],
            "write prompt.demonstrations.max: 0 to",
        ),
    ],
)
def test_a_text_that_may_not_come_back_as_one_is_told_beforehand(
    prompt: str, overrides: list[str], advice: str | None, tmp_path: Path
) -> None:
    """What is added to a text in messages of its own can't be written back into its file."""
    config = tmp_path / "sums.yaml"
    write_experiment(tmp_path, CONFIG)
    (tmp_path / "prompt.txt").write_text(prompt, encoding="utf-8")
    data = load_config(next(tmp_path.glob("*.yaml"))).source.data
    data |= {"prompt": {"text": "prompt.txt"}, "edits": {}}
    config.write_text(dump(data), encoding="utf-8")
    warnings = build_components(load_config(config, overrides)).warnings
    told = [warning for warning in warnings if warning.key == "prompt.text"]
    assert len(told) == (advice is not None)
    assert not told or (advice or "") in told[0].hint


@pytest.mark.parametrize(
    ("text", "bank", "is_told", "is_offered"),
    [
        ("Сложи числа.", "auto", True, False),
        ("Сложи числа.", "builtin", False, True),
        ("Сложи числа.", "none", False, False),
        ("Zähle die Zahlen zusammen und nenne nur das Ergebnis.", "auto", False, True),
    ],
)
def test_a_language_without_built_in_options_is_told(
    text: str, bank: str, is_told: bool, is_offered: bool, tmp_path: Path
) -> None:
    """None are then tried, unless the English ones are asked for."""
    write_experiment(tmp_path, CONFIG)
    config = tmp_path / "sums.yaml"
    data = load_config(next(tmp_path.glob("*.yaml"))).source.data
    data |= {"prompt": {"text": f"{text} {text}", "user": "{question}"}, "edits": {"bank": bank}}
    config.write_text(dump(data), encoding="utf-8")
    built = build_components(load_config(config))
    assert ("edits.bank" in {warning.key for warning in built.warnings}) == is_told
    assert ("verification" in built.space.slot_order) == is_offered


@pytest.mark.parametrize("searches", [1, 3])
def test_a_test_that_money_can_not_pay_for_leaves_the_searches_what_they_need(searches: int) -> None:
    """It is asked on fewer rows then; where there is enough for both, the test is planned in full."""
    plan = plan_calls(2000, 100, 200, searches)
    scarce = plan.shares_of(300)
    assert scarce["search"] >= MIN_SEARCH_CALLS * searches
    assert 0 < scarce["test"] < plan.test
    assert sum(scarce.values()) <= 300
    assert plan.shares_of(700)["test"] == plan.test
