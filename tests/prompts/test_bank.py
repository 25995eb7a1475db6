"""The built-in options and how they join the slots that a prompt has."""

import re

import pytest

from promptrl.prompts.bank import LANGUAGES, BankSlot, has_bank, load_bank, with_bank
from promptrl.prompts.languages import language_of
from promptrl.prompts.sentences import split_phrases
from tests.prompts.ticket_space import make_space

BANK = (
    BankSlot("role", "start", ("persona",), ("R",)),
    BankSlot("reasoning", "end", ("cot",), ("S",)),
    BankSlot("format", "end", (), ("F",)),
)
EXPLAINING = {
    "en": "explain your|explaining|explanation|step by step|answer only|nothing but|nothing else|detailed|one short",
    "de": "erklär|schritt für schritt|nur die antwort",
    "fr": "expli|étape par étape|uniquement",
    "es": "expli|paso a paso|únicamente",
}
"""What asks for more or for less than the bare answer."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bank_offers_a_moderate_number_of_distinct_general_options(language: str) -> None:
    """Options differ, are finished sentences, and hold no placeholder."""
    options = [option for slot in load_bank(language) for option in slot.options]
    assert 10 <= len(options) <= 40
    assert len(set(options)) == len(options)
    assert all(option == option.strip() and option.endswith(".") and "{" not in option for option in options)
    assert all(split_phrases(option).phrases == (option,) for option in options)


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_and_aliases_of_a_bank_are_unique(language: str) -> None:
    """A slot of the user can match one slot of the bank only, and the slots of all banks have the same names."""
    names = [name for slot in load_bank(language) for name in (slot.name, *slot.aliases)]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() for name in names)
    assert {slot.name for slot in load_bank(language)} <= {slot.name for slot in load_bank("en")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_prompt_holds_two_options_that_contradict_each_other(language: str) -> None:
    """Whatever says how much to say besides the answer excludes the others, for it stands in one slot with them."""
    is_about_explaining = re.compile(EXPLAINING[language], re.IGNORECASE)
    slots = {slot.name for slot in load_bank(language) for o in slot.options if is_about_explaining.search(o)}
    assert slots == {"reasoning"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_subject_of_a_bank_comes_up_twice(language: str) -> None:
    """A prompt that says what an option says gets no other option of that slot, nor this one again."""
    slots = load_bank(language)
    assert all(slot.is_said([f"Go. {option}"]) for slot in slots for option in slot.options)
    assert set(with_bank({}, slots)) == {slot.name for slot in slots}


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("You are a clerk. Sort the ticket.", "role"),
        ("Assume you are a lawyer.", "role"),
        ("Act as the judge.", "role"),
        ("Think about the ticket step by step.", "reasoning"),
        ("Reply with the category only.", "reasoning"),
        ("Be brief and polite.", "length"),
        ("Check each answer before you give it.", "verification"),
        ("Du bist ein Richter und sortierst die Briefe nach dem Datum.", "role"),
        ("Vous êtes un juge et vous triez les lettres.", "role"),
        ("Eres una jueza y ordenas las cartas por fecha.", "role"),
    ],
)
def test_what_the_prompt_says_already_is_not_offered(text: str, left_out: str) -> None:
    """No second role, and nothing against what it asks for; the same in a user message and in slots."""
    spaces = [
        make_space(slots=None, text=text, bank=True),
        make_space(slots=None, text=f"{text}\n{{ticket}}", user=None, bank=True),
        make_space(slots={"own": ["", text]}, bank=True),
    ]
    assert all(left_out not in space.slot_order for space in spaces)
    assert all(len(space.slot_order) > 3 for space in spaces)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("If you are unsure, say so.", "role"),
        ("You are given a ticket.", "role"),
        ("Use only the facts of the ticket.", "reasoning"),
        ("Name the sort of ticket.", "length"),
    ],
)
def test_what_only_sounds_alike_takes_nothing_away(text: str, offered: str) -> None:
    """The subject of the slot is another one."""
    assert offered in make_space(slots=None, text=text, bank=True).slot_order


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Classify the ticket.", "en"),
        ("Sort: {ticket}", "en"),
        ("Ordne die Anfrage einer der Kategorien zu und antworte mit dem Namen.", "de"),
        ("Classe la demande dans une des catégories suivantes.", "fr"),
        ("Clasifica la solicitud en una de las categorías que siguen.", "es"),
        ("Classifica la richiesta in una delle categorie che seguono e non spiegare.", "it"),
        ("Classifique o pedido em uma das categorias e não explique.", "pt"),
        ("Deel het verzoek in bij een van de categorieën en leg niets uit.", "nl"),
        ("チケットを分類してください。", None),
        ("Классифицируйте обращение.", None),
    ],
)
def test_the_language_of_a_prompt_is_told_by_its_common_words(text: str, language: str | None) -> None:
    """Or by its script; one that is too short to tell is English."""
    assert language_of([text]) == language
    assert has_bank([text]) == (language in LANGUAGES)


def test_options_are_offered_in_the_language_of_the_prompt() -> None:
    """A German prompt gets German ones; one in a language without a bank the English ones, where they are wanted."""
    german = make_space(slots=None, text="Ordne die Anfrage einer der Kategorien zu.", bank=True)
    assert "Kurz und knapp antworten." in {edit.text for edit in german.edits}
    russian = make_space(slots=None, text="Классифицируйте обращение.", bank=True)
    assert "Be brief." in {edit.text for edit in russian.edits}


def test_missing_slots_start_left_out() -> None:
    """The baseline does not change."""
    assert with_bank({"task": ("T",)}, BANK) == {
        "role": ("", "R"),
        "task": ("T",),
        "reasoning": ("", "S"),
        "format": ("", "F"),
    }


def test_slots_that_the_prompt_has_keep_their_options() -> None:
    """Also under another name or in another case."""
    assert with_bank({"Persona": ("P",), "cot": ("C",), "format": ("X",)}, BANK) == {
        "Persona": ("P",),
        "cot": ("C",),
        "format": ("X",),
    }


def test_a_missing_slot_goes_before_the_first_that_comes_later() -> None:
    """The order of rendering stays that of the config, filled up by that of the bank."""
    assert list(with_bank({"task": ("T",), "format": ("F",), "note": ("N",)}, BANK)) == [
        "role",
        "task",
        "reasoning",
        "format",
        "note",
    ]
