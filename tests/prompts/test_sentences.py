"""Plain text splits into phrases without losing a byte, and phrases make sense on their own."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptrl.prompts.sentences import split_phrases

SENTENCES = (
    "You are an expert.",
    "Be brief!",
    "Use {ticket} as it is.",
    "- no greetings",
    "`x. Y.`",
    "请分类。",
    "Done?",
)
texts = st.lists(
    st.one_of(
        st.sampled_from([*SENTENCES, " ", "\n", "\n\n", "\r\n", "```", "1. One", "<a>", '"']), st.text(max_size=5)
    )
).map("".join)


@given(text=st.one_of(st.text(), texts).filter(str.strip))
@example("\n  Lead. Tail. \n")
@example("```\nnever closed. Really. \n")
def test_unchanged_text_comes_back_byte_for_byte(text: str) -> None:
    """Whatever the text, all phrases with their gaps are the text."""
    table = split_phrases(text)
    assert table.render(table.everything) == text
    assert all(phrase == phrase.strip() != "" for phrase in table.phrases)
    assert not "".join(table.gaps).strip()


def test_whitespace_alone_has_no_phrase() -> None:
    """There is nothing to drop."""
    assert split_phrases(" \n ").phrases == ()


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("You are an expert. Be brief! Why? Because…", ("You are an expert.", "Be brief!", "Why?", "Because…")),
        ("Use tools, e.g. Excel. Ask Dr. Who.", ("Use tools, e.g. Excel.", "Ask Dr. Who.")),
        ("Written by J. R. Tolkien. Read it.", ("Written by J. R. Tolkien.", "Read it.")),
        ("The U.S. Senate met. Go on.", ("The U.S. Senate met.", "Go on.")),
        ("See fig. 3 and no. 4. Then say no. Stop.", ("See fig. 3 and no. 4.", "Then say no.", "Stop.")),
        ("Choose A or B. Then stop.", ("Choose A or B.", "Then stop.")),
        ("Pay 3.50 for v1.2. Thanks.", ("Pay 3.50 for v1.2.", "Thanks.")),
        ('Say "Yes. No." only. Stop.', ('Say "Yes. No." only.', "Stop.")),
        ("Reply (Yes. No. Maybe.) only. Stop.", ("Reply (Yes. No. Maybe.) only.", "Stop.")),
        ("Run `a. B. C` now. Stop.", ("Run `a. B. C` now.", "Stop.")),
        ('He said "Stop." Then he left.', ('He said "Stop."', "Then he left.")),
        ("**Be brief.** Use one word.", ("**Be brief.**", "Use one word.")),
        ("Wait... what is it? it is this.", ("Wait... what is it? it is this.",)),
        ("请分类。只回答标签！谢谢", ("请分类。", "只回答标签！", "谢谢")),
        ("Antworte kurz. Über alles. Ärger? übel", ("Antworte kurz.", "Über alles.", "Ärger? übel")),
        ("A line that is\nwrapped here. Next.", ("A line that is\nwrapped here.", "Next.")),
        ("Ticket: x\nCategory:", ("Ticket: x", "Category:")),
        ("Rules:\nuse one word.", ("Rules:", "use one word.")),
        ("# Title\nBody. More.", ("# Title", "Body.", "More.")),
        ("- One. Two.\n  wrapped\n- Three", ("- One. Two.\n  wrapped", "- Three")),
        ("1. One. Two.\n2) Three\n(a) Four", ("1. One. Two.", "2) Three", "(a) Four")),
        ("Do:\n```py\nx = 1. \nY = 2. Z\n\n```\nEnd.", ("Do:", "```py\nx = 1. \nY = 2. Z\n\n```", "End.")),
        ("~~~\n```\nA. B.\n~~~\nEnd. Stop.", ("~~~\n```\nA. B.\n~~~", "End.", "Stop.")),
        ("| a. B | c |\n|---|---|\nEnd.", ("| a. B | c |\n|---|---|", "End.")),
        ("One.\r\n\r\nTwo.", ("One.", "Two.")),
    ],
)
def test_phrases_are_what_can_be_dropped_as_one(text: str, phrases: tuple[str, ...]) -> None:
    """Sentences, list items, headings, tables and code; not abbreviations, numbers or quotes."""
    assert split_phrases(text).phrases == phrases


def test_dropping_the_last_sentence_of_a_paragraph_keeps_the_paragraph_break() -> None:
    """The widest of the whitespace that stood between two phrases is kept."""
    table = split_phrases("One. Two.\n\nThree. Four.\n")
    assert table.render((0, 2, 3)) == "One.\n\nThree. Four.\n"
    assert table.render((0, 3)) == "One.\n\nFour.\n"
    assert table.render((0, 1)) == "One. Two.\n"
    assert table.render(()) == ""


def test_phrases_out_of_order_keep_their_line_breaks() -> None:
    """What stood between two phrases stands between them in the other order too."""
    table = split_phrases("One. Two.\n- three")
    assert table.render((1, 0, 2)) == "Two. One.\n- three"
    assert table.render((0, 2, 1)) == "One.\n- three\nTwo."


@given(data=st.data(), text=texts.filter(str.strip))
def test_a_rendered_selection_is_recognised(data: st.DataObject, text: str) -> None:
    """The text alone tells which phrases are kept: what is recognised renders to the same text."""
    table = split_phrases(text)
    order = table.everything if table.has_repeats else data.draw(st.permutations(table.everything))
    count = data.draw(st.integers(0, len(order)))
    kept = data.draw(st.sets(st.sampled_from(order), min_size=count)) if count else set()
    selection = tuple(at for at in order if at in kept)
    rendered = table.render(selection)
    found = table.selection_in(rendered)
    assert found is not None
    assert table.render(found) == rendered


@given(selection=st.permutations(range(6)).flatmap(lambda order: st.integers(0, 6).map(lambda n: tuple(order[:n]))))
def test_distinct_phrases_are_recognised_exactly(selection: tuple[int, ...]) -> None:
    """No two selections of different sentences are mistaken for each other."""
    table = split_phrases("One. Two.\nThree. Four.\n\nFive. Six.")
    assert table.selection_in(table.render(selection)) == selection


def test_a_repeated_sentence_is_read_in_original_order() -> None:
    """Equal texts always mean the same selection."""
    table = split_phrases("Be brief. Think. Be brief.")
    assert table.selection_in("Think. Be brief.") == (1, 2)
    assert table.selection_in("Be brief.") == (0,)


def test_a_long_ambiguous_text_is_read_in_bounded_time() -> None:
    """Forty equal sentences and a stray word have no reading, and that is found without trying every subset."""
    table = split_phrases("Be brief. " * 40)
    assert table.selection_in("Be brief. " * 39 + "Stop. ") is None
    assert table.selection_in("Be brief. " * 39) == tuple(range(39))


def test_a_text_of_thousands_of_phrases_is_read() -> None:
    """Long prompts do not meet a recursion limit."""
    table = split_phrases("".join(f"Rule {at} holds.\n" for at in range(1500)))
    selection = table.everything[1:]
    assert table.selection_in(table.render(selection)) == selection


@pytest.mark.parametrize("text", ["Else.", "One. Two. Else.", "One.  Two.", "One. One.", "One. Two.\n", " One. Two."])
def test_foreign_text_is_not_recognised(text: str) -> None:
    """A text that no selection renders to is no selection."""
    assert split_phrases("One. Two.").selection_in(text) is None


def test_placeholders_and_lone_tags_are_fixed() -> None:
    """In a template what holds a placeholder stays; escaped braces are no placeholder."""
    table = split_phrases("Read.\n<ticket>\n{ticket}\n</ticket>\nWrite {{x}}.", is_template=True)
    assert [table.phrases[at] for at in table.everything if table.is_fixed(at)] == ["<ticket>", "{ticket}", "</ticket>"]


def test_braces_in_a_system_text_are_plain_text() -> None:
    """Only a user template has placeholders."""
    assert not split_phrases("Write {x}. Stop.").is_fixed(0)
