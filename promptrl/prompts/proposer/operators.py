"""The kinds of change that a proposer is asked for, and the words in which it is asked."""

from collections.abc import Mapping

OPERATORS: Mapping[str, str] = {
    "rule": "Look at what the failures have in common and write rules that would have prevented them.",
    "clarify": "Find what the prompt leaves open or says in a way that can be misread, and say it plainly.",
    "contrast": "Compare the pairs in which one edit turned a row right or wrong, and write edits that use what that "
    "teaches.",
    "decompose": "Write instructions that break the work into steps: what to look at first, what to do with it, what "
    "to check at the end.",
    "template": "Write instructions on the form of the answer: what it begins and ends with, what it leaves out.",
    "paraphrase": "Say parts of the prompt in other words that this model may follow more readily.",
    "shorten": "Say parts of the prompt in fewer words, or remove what does nothing.",
    "merge": "Join edits that help into one, or into the sentence that they belong to.",
    "persona": "Say who answers, for whom, and with what care.",
}
"""By name; the first is what to begin with where nothing is known yet."""
NO_OPERATOR = "none"
"""Stands for leaving the proposer alone for once."""
