"""A kind of edit that only the tests know is searched, told and described like any other; or refused, not left out."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from promptrl.errors import ConfigError
from promptrl.evaluation.outcome import Outcome
from promptrl.experiment.edit_effects import attribute
from promptrl.llm.base import Completion
from promptrl.prompts.edits.features import Change, NotImagined
from promptrl.prompts.edits.numbering import number_features
from promptrl.prompts.prompt import Prompt
from promptrl.runs.folder import Run
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.search.algorithms import BASELINES
from promptrl.search.baselines.variables import Variables
from promptrl.search.live.search import LiveSettings, search_live
from promptrl.search.observation import COLUMN, KIND_COLUMNS, edit_features, kind_code
from promptrl.search.planned.search import PlannedSettings, search_planned
from promptrl.search.result import Decision
from promptrl.search.searches import load_search
from promptrl.search.surrogate.features import Moves
from promptrl.selection.pruning import unpruned
from promptrl.tasks.dataset import Example
from tests.prompts.closing_lines import CALM, LOUD, ClosingLines, Loudness, Undeclared, loud_space
from tests.search.landscape import baseline_settings, make_context, make_rows, table_evaluator


def value(prompt: Prompt, row: Example) -> float:
    """Closing with "Be exact." and a loud user message are what counts; a judge helps a little."""
    worth = 0.4 * (prompt.slot("closing") == "Be exact.") + 0.3 * (prompt.user == LOUD)
    return 0.1 + worth + 0.1 * (prompt.slot("role") == "Judge.")


def is_best(prompt: Prompt) -> bool:
    """Whether both new kinds are at their best."""
    return (prompt.slot("closing"), prompt.user) == ("Be exact.", LOUD)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_searches_a_new_kind(name: str) -> None:
    """The winner has the best line and the loud message, neither of which the baseline has."""
    context = make_context(table_evaluator(value, search=150), space=loud_space(), rows=10)
    assert is_best(load_search(name)(context, baseline_settings(name)).candidates[0].prompt)


def test_planned_search_searches_a_new_kind() -> None:
    """Imagination knows what the edits do, the surrogate what they are worth, and the agent takes them."""
    space = loud_space()
    context = make_context(table_evaluator(value, search=120), space=space, rows=10)
    result = search_planned(context, PlannedSettings())
    assert is_best(result.candidates[0].prompt)
    taken = [decision.action for decision in result.decisions]
    assert {space.edits[action].kind for action in taken if action != space.stop} >= {"closing_line", "shout"}


def test_live_search_searches_a_new_kind() -> None:
    """The observation shows edits of any kind."""
    context = make_context(table_evaluator(value, search=400), space=loud_space(), rows=10)
    result = search_live(context, LiveSettings(algorithm="ppo"))
    assert is_best(result.candidates[0].prompt)


def test_observations_tell_new_kinds_from_old_ones() -> None:
    """Every kind has a code of its own, the same in every space."""
    space = loud_space()
    columns = [COLUMN[f"kind_{number}"] for number in range(KIND_COLUMNS)]
    kinds = [edit.kind for edit in space.edits]
    shown = {
        kind: tuple(row[columns].nonzero()[0]) for kind, row in zip(kinds, edit_features(space, kinds), strict=False)
    }
    assert shown == {kind: kind_code(kind) for kind in kinds}
    assert len(set(shown.values())) == len(shown) == 4


def test_attribution_tells_of_a_new_kind(tmp_path: Path) -> None:
    """Its effects, how often the search looked at it, and the agent's decisions; not the edit that only undoes."""
    space, rng, asked = loud_space(), np.random.default_rng(0), []
    for number in range(240):
        prompt, row = space.draw(rng), make_rows(12)[number % 12]
        worth = value(prompt, row)
        outcome = Outcome(prompt.prompt_id, row.id, 0, "search", Completion(""), {}, worth, worth, uniform=True)
        asked.append((prompt, outcome))
    with closing(OutcomeFile(tmp_path, lambda prompt: [])) as log:
        log.record(asked)
    outcomes, decisions = [outcome for _, outcome in asked], [Decision(space.stop - 1)]
    found = attribute(Run(tmp_path), space, outcomes, space.baseline, unpruned(space.baseline), decisions)
    effects = {effect["edit"]: effect for effect in found["effects"]}
    assert effects['close with "Be exact."']["low"] > 0.2
    assert effects["shout"] == pytest.approx(effects["shout"] | {"effect": 0.3, "slot": "user", "text": ""}, abs=0.05)
    assert "calm" not in effects
    assert set(effects) <= {line["edit"] for line in found["attention"]}
    assert found["policy"][0]["taken"]["edit"] == "shout"


def test_changes_by_a_new_kind_are_described() -> None:
    """What it changed is told, whoever changed it."""
    space = loud_space()
    lines = space.describe(space.baseline, space.apply(space.apply(space.baseline, space.stop - 1), 8))
    assert lines == ['closing = "Be exact." (was left out)', f'user = "{LOUD.text}" (was "{CALM.text}")']


@pytest.mark.parametrize("part", [Moves, Variables])
def test_a_factor_without_features_is_refused_where_it_would_be_left_untried(part: type[Moves | Variables]) -> None:
    """The message names its edits and the reason that they give; a search on the live model takes it."""
    space = loud_space(Undeclared())
    with pytest.raises(ConfigError, match=r"calm, shout of user: .* can't try it: nobody knows how loud is loud"):
        part(space)
    context = make_context(table_evaluator(value, search=100), space=space, rows=10)
    result = search_live(context, LiveSettings(algorithm="ppo"))
    assert result.candidates[0].prompt.user == LOUD


@pytest.mark.parametrize("part", [Moves, Variables])
def test_an_edit_that_leads_somewhere_is_refused_where_it_would_be_left_untried(part: type[Moves | Variables]) -> None:
    """Also beside edits that are imagined; one that only undoes is not missed."""
    factor = Loudness()
    factor.edits = (*factor.edits, factor.edits[1])
    factor.changes = (*factor.changes, NotImagined("nobody knows where it ends"))
    with pytest.raises(ConfigError, match=r"calm, shout of user: .* can't try it: nobody knows where it ends"):
        part(loud_space(factor))
    factor.changes = (*factor.changes[:-1], NotImagined("nobody knows where it ends", only_undoes=True))
    part(loud_space(factor))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ((Change("set", 0),), "declares what 1 of its 2 edits do"),
        ((Change("clear", 0), Change("set", 1)), "changes a feature that it does not declare"),
        ((Change("clear", 0), NotImagined("it is a secret")), "declares a feature that no edit sets"),
        ((Change("swap", 0), Change("set", 0)), "swaps in a group that is never full"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_an_error(changes: tuple[Change, ...], problem: str) -> None:
    """It names the factor and what is wrong."""
    factor = Loudness()
    factor.changes = changes
    with pytest.raises(ValueError, match=f"calm, shout of user: {problem}"):
        loud_space(factor)


def test_two_choices_that_are_one_are_an_error() -> None:
    """They would be searched as two, each with an effect of its own; the message names both."""
    with pytest.raises(ValueError, match=r'close with "Bye\." and close with "Bye\." lead to the same prompt'):
        loud_space(ClosingLines(["Bye.", "Thanks.", "Bye."], ("closing",)))


def test_a_choice_is_not_cleared_but_replaced() -> None:
    """Among features that exclude each other, leaving them out is one of them."""
    factor = ClosingLines(["Thanks."])
    factor.edits = (*factor.edits, factor.edits[0])
    factor.changes = (*factor.changes, Change("clear", 1))
    with pytest.raises(ValueError, match="another one of its group replaces"):
        number_features([factor])
