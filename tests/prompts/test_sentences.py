"""Plain text splits into phrases without losing a byte, and phrases make sense on their own."""

import time
from itertools import combinations

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
        ("Bei Bedarf, z. B. Excel. Oder d. h. Word.", ("Bei Bedarf, z. B. Excel.", "Oder d. h. Word.")),
        (
            "Siehe Nr. 5, S. 3 und Abs. 2. Gilt u. a. Montag. Ja.",
            ("Siehe Nr. 5, S. 3 und Abs. 2.", "Gilt u. a. Montag.", "Ja."),
        ),
        ("Bis 3. Mai in der 2. Klasse. Gut bzw. Besser.", ("Bis 3. Mai in der 2. Klasse.", "Gut bzw. Besser.")),
        ("Antworte mit ... Euro. Oder … Dollar. Ende.", ("Antworte mit ... Euro.", "Oder … Dollar.", "Ende.")),
        ("Think... Then answer. Ask a Ph.D. Student.", ("Think...", "Then answer.", "Ask a Ph.D. Student.")),
        ("Say 'Don't. Go.' only. It's it. Isn't it?", ("Say 'Don't. Go.' only.", "It's it.", "Isn't it?")),
        ("It costs 3. Then stop.", ("It costs 3.", "Then stop.")),
        ("See p. 5, fig. 3. Then stop.", ("See p. 5, fig. 3.", "Then stop.")),
        ("Do: 1. Read it. 2. Answer.", ("Do: 1. Read it.", "2. Answer.")),
        ("Do so. A. Read p. ex. Proust. B. Stop.", ("Do so.", "A. Read p. ex. Proust.", "B. Stop.")),
        ("Sag „Ja. Nein.“ und «A. B.» dazu. Ende.", ("Sag „Ja. Nein.“ und «A. B.» dazu.", "Ende.")),
        ("Visit https://a.de/x?q=1. Then v1.2.3. End.", ("Visit https://a.de/x?q=1.", "Then v1.2.3.", "End.")),
        ("说「甲。乙」吗？谢谢．完", ("说「甲。乙」吗？", "谢谢．", "完")),
        ("यह है। और। ما هذا؟ نعم.", ("यह है।", "और।", "ما هذا؟", "نعم.")),
        (
            "Lies die Anfrage von einem\nKunden. Nennen Sie ihm zuerst die\nrichtige Abteilung und dann die\nNummer.",
            (
                "Lies die Anfrage von einem\nKunden.",
                "Nennen Sie ihm zuerst die\nrichtige Abteilung und dann die\nNummer.",
            ),
        ),
        (
            "Never mention the competitors of our bank\nAnswer in English\nBe brief",
            ("Never mention the competitors of our bank", "Answer in English", "Be brief"),
        ),
    ],
)
def test_phrases_are_what_can_be_dropped_as_one(text: str, phrases: tuple[str, ...]) -> None:
    """Sentences, list items, headings, tables and code; not abbreviations, numbers or quotes."""
    assert split_phrases(text).phrases == phrases


STRUCTURES = {
    "json": '{\n  "label": "a | b",\n\n  "why": "One. Two.",\n  "tags": [\n    "x"\n  ]\n}',
    "braces escaped": '{{\n  "why": "One. Two."\n}}',
    "list of objects": '[\n  {"a": "}. No."},\n  {"a": 1}\n]',
    "code": "```json\n{\n\n# Not a heading. No.\n```",
    "table": "| a. B | c |\n|---|---|\n| Yes. No. | d |",
    "table without outer bars": "a | b\n--- | ---\nYes. No. | d",
    "yaml": "label: spam\nreasons:\n  - One. Two.\n\t# why\n- three\nscore: 1.",
    "yaml with capitals": "Name: <name>\nOrder:\n  Id: 3\n  Kind: a|b\nUrgent: true",
    "yaml of another case": "orderId: 3\nIsUrgent: false",
    "xml": "<answer>\n  <label>One. Two.</label>\n  <why/>\n</answer>",
    "comment": "<!-- One.\n\nTwo. -->",
    "element around a sentence": "<role>\nYou are an expert.\n</role>",
    "definition of a table": "CREATE TABLE a (\n  id INT,\n  kind TEXT CHECK (kind IN ('a. B'))\n);",
    "query": "SELECT a. B\nFROM t\nWHERE c = 1;",
    "call over lines": "Plot(\n  x. Y,\n  2\n)",
    "function": "def add(a, b):\n    # One. Two.\n    return a + b\n\n    # End.",
    "latex": "\\begin{align}\na = b. C\n\\end{align}",
    "question and answer": "Q: What is it? Say it.\nA: One. Two.",
    "question apart from its answer": "**Input:** It broke. Help.\n\n**Output:** bug",
    "question of many lines": "Question: Read this.\n- One. Two.\n\nAnswer: as follows:\n- One.\n- Two.",
    "answer as json": 'Input: It broke.\nOutput:\n{\n  "why": "One. Two."\n}',
    "answer as code": "User: Write it. Now.\nAssistant:\n```py\na. B\n\n```",
    "answer with a reason": "Frage: Was? Wie?\nAntwort: Das. Ja.\nGrund: Eins. Zwei.",
    "numbered example": "Example 1:\nInput: It broke. Help.\nOutput: bug",
    "numbered example under a heading": "### Beispiel 2\n\nEingabe: Kaputt. Hilfe.\nAusgabe: Fehler",
    "numbered example of code": '**Example #1**\n```json\n{"a": "B. C"}\n```',
    "example in one line": "Example 3: It broke. Help. -> bug",
    "sample": "<example>\nInput: It broke. Help.\n\nOutput: bug\n</example>",
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_a_structure_is_one_phrase_that_keeps_its_place(structure: str) -> None:
    """Between sentences it is dropped whole or stays whole, whatever its lines look like."""
    table = split_phrases(f"Reply so. And so:\n{structure}\nNo more. Stop.")
    assert table.phrases == ("Reply so.", "And so:", structure, "No more.", "Stop.")
    assert table.anchored == {2}


@pytest.mark.parametrize(
    "code",
    [
        "    def add(a, b):\n        return a + b\n\n    print(add(1, 2))",
        "\tSELECT name\n\tFROM orders",
        "    x = 1\n\n    go on\n",
    ],
)
def test_code_that_is_set_in_is_one_phrase(code: str) -> None:
    """As Markdown has it: behind a blank line, blank lines within."""
    table = split_phrases(f"Run this. It adds:\n\n{code}\n\nNo more. Stop.")
    assert table.phrases == ("Run this.", "It adds:", code.strip(), "No more.", "Stop.")
    assert table.anchored == {2}


@pytest.mark.parametrize(
    "text",
    [
        "Q: One? Two.\nA: Yes. No.|Q: Three?\nA: No. Yes.",
        "User: One. Two.\nAssistant: Yes. No.||User: Three.\nAssistant: No. Yes.",
        "Review: One. Two.\nStars: Five. Full.|Review: Three. Four.\nStars: One. Only.",
        "Input:\nOne. Two.\n\nOutput:\nYes. No.||Input:\nThree.\n\nOutput:\nNo. Yes.",
        "Example 1:\nOne. Two.\nThree.|Example 2:\nThree. Four.\nFive.",
        "Example 1\n\nQ: One.\nA: Two.||Example 2\n\nQ: Three.\nA: Four.",
        '"One. Two." -> yes|"Three. Four." => no',
        "Q1: One? Two.\nA1: Yes. No.||Q2: Three.\nA2: No. Yes.",
        "Input 1: One. Two.\nOutput 1: Yes.|Input 2: Three.\nOutput 2: No. Yes.",
        "- Human: One. Two.\n- AI: Yes. No.|- Human: Three.\n- AI: No. Yes.",
    ],
)
def test_each_worked_example_is_one_phrase(text: str) -> None:
    """One can be dropped without the other, and none without a part of it."""
    table = split_phrases("Do so. As here.\n" + text.replace("|", "\n") + "\n\nNo more. Stop.")
    assert table.phrases == ("Do so.", "As here.", *filter(None, text.split("|")), "No more.", "Stop.")


def test_what_gives_a_text_its_order_keeps_its_place() -> None:
    """Headings, rules and lone tags: sentences change places between them, never past them."""
    table = split_phrases("Lead. Tail.\n# One\nAsk. Be.\n---\n<rules>\nCut. Do.\n</rules>\nEnd.")
    assert [table.phrases[at] for at in sorted(table.anchored)] == ["# One", "---", "<rules>", "</rules>"]
    assert table.may_swap(0, 1)
    assert not table.may_swap(1, 2)
    assert not table.may_swap(4, 1)


def test_list_items_change_places_with_each_other_only() -> None:
    """A sentence between items would be read as part of the list, an item among sentences as nothing; numbers count."""
    table = split_phrases("Sort it.\nBe brief.\n- red\n- green\n\nThink.\n1. Read.\n2. Write.\n")
    movable = {(a, b) for a, b in combinations(table.everything, 2) if table.may_swap(a, b)}
    assert [{table.phrases[a], table.phrases[b]} for a, b in sorted(movable)] == [
        {"Sort it.", "Be brief."},
        {"- red", "- green"},
    ]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            'Be exact. Reply as {\n  "a": "B. C"\n} only. Stop.',
            ("Be exact.", 'Reply as {\n  "a": "B. C"\n} only.', "Stop."),
        ),
        ('Reply as {"a": "B. C",\n"d": 1}. Stop.', ('Reply as {"a": "B. C",\n"d": 1}.', "Stop.")),
        ('- As {\n"a": 1\n}\n- Stop.', ('- As {\n"a": 1\n}', "- Stop.")),
        ("1. Run:\n   ```\n   - a. B\n   ```\n2. Stop.", ("1. Run:\n   ```\n   - a. B\n   ```", "2. Stop.")),
        ("Say <b>One. Two.</b> now. Stop.", ("Say <b>One. Two.</b> now.", "Stop.")),
        (
            "Be brief!\n\\begin{align}\na = b. C\n\\end{align}\nBe brief!",
            ("Be brief!", "\\begin{align}\na = b. C\n\\end{align}", "Be brief!"),
        ),
    ],
)
def test_what_a_structure_stands_in_is_as_long_as_the_structure(text: str, phrases: tuple[str, ...]) -> None:
    """A sentence or a list item ends after it."""
    assert split_phrases(text).phrases == phrases


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("A [ b.\n\nC ] d.", ("A [ b.", "C ] d.")),
        ("Use } and {. Then\n\nstop. Now.", ("Use } and {.", "Then", "stop.", "Now.")),
        ("```\n{\n```\nOne. Two}.\nThree.", ("```\n{\n```", "One.", "Two}.", "Three.")),
        (
            "<rules>\nBe brief. No slang.\nNever lie.\n</rules>",
            ("<rules>", "Be brief.", "No slang.", "Never lie.", "</rules>"),
        ),
        ("Give <your answer>. Go on <br> now. Stop.", ("Give <your answer>.", "Go on <br> now.", "Stop.")),
        ("Rules:\n  - no greetings\n  - be brief", ("Rules:", "- no greetings", "- be brief")),
        ("note: be brief.\nAnswer. Stop.", ("note: be brief.", "Answer.", "Stop.")),
        ("Role: support agent\nTask: sort the tickets", ("Role: support agent", "Task: sort the tickets")),
        ("Question: {question}\nAnswer:", ("Question: {question}", "Answer:")),
        ("You sort.\n\n    Be brief. Be kind.\n\n    Stop.", ("You sort.", "Be brief.", "Be kind.", "Stop.")),
        ("You sort:\n\n    - red\n    - f(x)", ("You sort:", "- red", "- f(x)")),
        ("Q: 2?\nA: 4\n\nQ: {question}\nA:", ("Q: 2?\nA: 4", "Q: {question}", "A:")),
        ("Q: {question}\nA: think. Then say.", ("Q: {question}", "A: think.", "Then say.")),
        ("Input: a ticket. Read it.\n\nBe kind.", ("Input: a ticket.", "Read it.", "Be kind.")),
        ("Bug: it broke. Badly.\nPraise: all fine.", ("Bug: it broke.", "Badly.", "Praise: all fine.")),
        ("Example: be kind. Stop.\nExamples:\nGo.", ("Example: be kind.", "Stop.", "Examples:", "Go.")),
        ("SELECT one label. Only one.\nStop.", ("SELECT one label.", "Only one.", "Stop.")),
        ("Say it (as\nwe do). If it is so:\nStop.", ("Say it (as\nwe do).", "If it is so:", "Stop.")),
    ],
)
def test_what_only_looks_like_a_structure_is_text(text: str, phrases: tuple[str, ...]) -> None:
    """What never closes, sections of sentences in tags, lists under a heading."""
    assert split_phrases(text).phrases == phrases


@given(data=st.data(), structure=st.sampled_from(list(STRUCTURES.values())))
def test_no_selection_tears_a_structure(data: st.DataObject, structure: str) -> None:
    """It is in the prompt with each of its bytes, or not at all."""
    before, after = (data.draw(st.lists(st.sampled_from(SENTENCES[:3]), min_size=1, max_size=3)) for _ in range(2))
    text = "\n".join([*before, structure, *after])
    table = split_phrases(text)
    kept = tuple(at for at in table.everything if data.draw(st.booleans()))
    rendered = table.render(kept)
    at = table.phrases.index(structure)
    assert rendered.count(structure) == (at in kept)
    assert (structure.splitlines()[0] in rendered.splitlines()) == (at in kept)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 40_000 + "]" * 40_000 + "}" * 40_000,
        "<a>" * 20_000 + "</b>" * 20_000 + "</a>",
        "[\n\n" * 20_000,
        "a: b\n" * 20_000,
        "A: b\n" * 20_000,
        "A: 1\n" * 20_000,
        "    a b\n\n" * 20_000,
        "    a = b\n\n" * 20_000,
        "\n" * 20_000 + "    a",
        "| a\n" * 20_000,
        "z. " * 20_000,
        "<!--" * 40_000,
        "“„«»‹「 '" * 20_000,
        "... " * 40_000,
        "Q: a\nb\n\n" * 10_000,
        "Q:\n\n" * 10_000,
        "Example 1\n\n" * 10_000,
        "B: c\nD: e\n" * 10_000,
        "@a\n" * 20_000,
        "def a():\n" * 20_000,
        "(\n" * 20_000 + ")\n" * 20_000,
        "SELECT a\n" * 20_000,
        "".join(f"\\begin{{a{at}}}" for at in range(10_000)),
        "." * 40_000,
    ],
    ids=[
        "brackets",
        "tags",
        "open",
        "yaml",
        "labels",
        "capitals",
        "set in",
        "code",
        "blank",
        "table",
        "letters",
        "comments",
        "quotes",
        "dots",
        "leaders",
        "questions",
        "empty questions",
        "examples",
        "records",
        "decorators",
        "functions",
        "round brackets",
        "queries",
        "environments",
    ],
)
def test_texts_made_to_be_slow_are_split_at_once(text: str) -> None:
    """Each kind of structure is looked for once."""
    began_s = time.process_time()
    table = split_phrases(text)
    assert time.process_time() - began_s < 3
    assert table.render(table.everything) == text


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
    text = "Read.\n<ticket>\n{ticket}\n</ticket>\n<how>\nThink. Write {{x}}.\n</how>"
    table = split_phrases(text, is_template=True)
    fixed = [table.phrases[at] for at in table.everything if table.is_fixed(at)]
    assert fixed == ["<ticket>\n{ticket}\n</ticket>", "<how>", "</how>"]


def test_braces_in_a_system_text_are_plain_text() -> None:
    """Only a user template has placeholders."""
    assert not split_phrases("Write {x}. Stop.").is_fixed(0)
