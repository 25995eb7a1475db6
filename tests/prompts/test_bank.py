"""The built-in options and how they join the slots that a prompt has."""

from promptrl.prompts.bank import BankSlot, load_bank, with_bank
from promptrl.prompts.sentences import split_phrases

BANK = (
    BankSlot("role", "start", ("persona",), ("R",)),
    BankSlot("reasoning", "end", ("cot",), ("S",)),
    BankSlot("format", "end", (), ("F",)),
)


def test_the_bank_offers_a_moderate_number_of_distinct_general_options() -> None:
    """Options differ, are finished sentences, and hold no placeholder."""
    bank = load_bank()
    options = [option for slot in bank for option in slot.options]
    assert 12 <= len(options) <= 40
    assert len(set(options)) == len(options)
    assert all(option == option.strip() and option.endswith(".") and "{" not in option for option in options)
    assert all(split_phrases(option).phrases == (option,) for option in options)


def test_names_and_aliases_of_the_bank_are_unique() -> None:
    """A slot of the user can match one slot of the bank only."""
    names = [name for slot in load_bank() for name in (slot.name, *slot.aliases)]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() for name in names)


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
