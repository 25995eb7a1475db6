"""Keys that a server sends back are hidden, in whatever notation."""

import base64
import html
from urllib.parse import quote

import pytest

from promptrl.llm.targets.echoes import Echoes

KEY = "a1B2&c3D4<e5F6/g7H8+i9J0"
NOTATIONS = {
    "as it is": KEY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 behind a user": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "base64 behind a word": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded throughout": "".join(f"%{ord(char):02x}" for char in KEY),
    "HTML": html.escape(KEY),
    "HTML by numbers": "".join(f"&#{ord(char)};" for char in KEY),
    "JSON by numbers": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "its beginning": KEY[:12],
    "its end": KEY[-12:],
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_no_eight_characters_of_a_key_are_left(name: str) -> None:
    """In a message and in an answer; what stands around it stays."""
    said = f"bad key {NOTATIONS[name]}, sorry"
    for shown in (Echoes([KEY]).hidden_in_message(said), Echoes([KEY]).hidden_in_answer(said)):
        assert shown.startswith("bad key ")
        assert shown.endswith(", sorry")
        assert "***" in shown
        pieces = [NOTATIONS[name][at : at + 8] for at in range(len(NOTATIONS[name]) - 7)]
        encoded_prefix = 12 if "behind" in name else 0
        assert not any(piece in shown for piece in pieces[encoded_prefix:])


def test_what_is_no_secret_stays() -> None:
    """Percent signs, escapes, and words that a short header value has in common with an answer."""
    said = "100 % of a &amp; b \\n in eu-west, see eu-west-1"
    assert Echoes([KEY, "eu-west"]).hidden_in_answer(said) == said


def test_a_short_secret_is_hidden_in_messages_alone() -> None:
    """There nobody minds; an answer is data."""
    assert Echoes(["abc"]).hidden_in_message("say abc") == "say ***"
    assert Echoes(["abc"]).hidden_in_answer("say abc") == "say abc"
