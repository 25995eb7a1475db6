"""What the config takes for a placeholder is what the prompt fills."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.config.templates import malformed_placeholders, placeholders
from promptrl.prompts.prompt import UserTemplate

TEMPLATES = st.lists(st.sampled_from(["{", "}", "{{", "}}", "a", "é", "_1", "1", " ", "{ticket}", "\n"])).map("".join)


@given(template=TEMPLATES)
def test_config_and_prompt_see_the_same_placeholders(template: str) -> None:
    """The config checks templates without the prompt's code, so the two must agree."""
    assert placeholders(template) == UserTemplate(template).placeholders


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('{ticket} {{ticket}} {"a": 1} {a, b} {b: c} { } x', ("{ }",)),
        (
            "{} {0} {row.name} {row[0]} {name!r} {name:>8}",
            ("{}", "{0}", "{row.name}", "{row[0]}", "{name!r}", "{name:>8}"),
        ),
        ("{a} { a } {b", ("{ a }", "{b")),
        ("{} {}", ("{}",)),
        ("{{}} {{ a }} {a}", ()),
    ],
)
def test_placeholders_of_other_languages_are_found(template: str, found: tuple[str, ...]) -> None:
    """JSON and prose in braces are left alone."""
    assert malformed_placeholders(template) == found
