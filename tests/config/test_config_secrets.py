"""No message about a config repeats a secret that was put into it by mistake."""

from pathlib import Path

import pytest

from tests.config.good_config import GOOD, openai, problems_of, swap

SECRET = "sk-proj-abcdefghijklmnop1234"
WITH_SECRET = {
    "as a key name": openai(f"api_key_env: {SECRET}"),
    "as an unknown key": openai(f"api_key: {SECRET}"),
    "in a header": openai(f'headers: {{Authorization: "Bearer {SECRET}"}}'),
    "in the address": openai(f'base_url: "http://h/v1?key={SECRET}"'),
    "as a password": openai(f'base_url: "http://user:{SECRET}@h/v1"'),
    "in the params": openai(f"params: {{user: [{{a: {SECRET}}}]}}"),
    "as a key of a mapping": openai(f"{SECRET}: 1"),
    "as the target": swap("{type: local}", SECRET),
    "as the type": swap("{type: local}", f"{{type: {SECRET}}}"),
    "in a judge's block": GOOD.replace(
        "{type: choice}", f"{{type: judge, rubric: fluency, judge: {{type: openai, model: {SECRET}}}}}"
    ),
    "in another block": GOOD + f"algorithm: {{name: {SECRET}}}\n",
    "in broken YAML": swap("{type: local}", f"*{SECRET}"),
}


@pytest.mark.parametrize("text", WITH_SECRET.values(), ids=WITH_SECRET.keys())
def test_no_message_repeats_a_secret(text: str, tmp_path: Path) -> None:
    """Wherever a key was put by mistake, it does not reach a terminal or a log."""
    told = "\n".join(map(str, problems_of(text, tmp_path)))
    assert "abcdefghijklmnop" not in told


@pytest.mark.parametrize("rest", ["api_key_env: hunter-2", "headers: {X: hunter-2}", 'base_url: "ftp://a:hunter-2@h"'])
def test_a_value_where_only_names_belong_is_not_repeated(rest: str, tmp_path: Path) -> None:
    """A password does not look like a key, but stands where people put keys."""
    (problem,) = problems_of(openai(rest), tmp_path)
    assert problem.key.startswith("target.")
    assert "hunter" not in str(problem)
