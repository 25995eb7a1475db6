"""What is a placeholder, and what looks like one of another language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.prompts.placeholders import escaped, filled, malformed_placeholders, placeholders
from promptrl.prompts.prompt import UserTemplate

TEMPLATES = st.lists(st.sampled_from(["{", "}", "{{", "}}", "a", "é", "_1", "1", " ", "{ticket}", "\n"])).map("".join)


@given(template=TEMPLATES)
def test_every_placeholder_is_filled_and_nothing_else(template: str) -> None:
    """What is found is what the prompt needs, and what it replaces."""
    names = placeholders(template)
    (message,) = UserTemplate(template).render(dict.fromkeys(names, "\0"))
    assert message.content.count("\0") >= len(names)
    assert bool(names) == ("\0" in message.content)


@given(text=TEMPLATES)
def test_an_escaped_text_is_filled_to_itself(text: str) -> None:
    """Whatever braces it holds; no value is asked for."""
    assert placeholders(escaped(text)) == ()
    assert filled(escaped(text), {}) == text


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
