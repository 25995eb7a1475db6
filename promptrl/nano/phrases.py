"""The prompts that the evaluation tables ask about: phrases by name, slots of an edit space, and combinations.

Names that end in ``_h`` are written by hand with words outside the grammars of the corpus; the others are wordings that
the grammars can give.
"""

from promptrl.nano.inputs import Task

_COMMON = {
    "helper": "You are a helpful assistant.",
    "expert": "You are an experienced analyst.",
    "friendly": "You are a friendly shop assistant.",
    "teacher": "You are a patient teacher.",
    "pirate": "Talk like a pirate.",
    "steps": "Think step by step.",
    "steps_h": "Take it slowly and think about all the parts before you conclude.",
    "terse": "Be brief.",
    "polite": "Be polite.",
    "explain": "Explain your answer afterwards.",
    "check": "Double-check your answer.",
    "careful": "Read the text carefully.",
    "tag": 'End with "Answer:" followed by the result.',
    "tag_h": 'Your closing line reads "Answer:" plus the outcome.',
    "sentence": "Answer in a full sentence.",
    "json": "Answer in JSON.",
}

PHRASES: dict[Task, dict[str, str]] = {
    "arithmetic": _COMMON
    | {
        "task": "Solve the word problem.",
        "task_h": "A child asks you about some things it counted; help it.",
        "steps_own": "Write the running total after each sentence.",
        "only": "Answer with a number.",
        "no_unit": "Leave out the unit.",
        "no_unit_digits": "Use digits only for the answer.",
        "no_unit_h": "No noun should follow the figure.",
    },
    "sentiment": _COMMON
    | {
        "task": "Classify the sentiment of the review.",
        "task_h": "Find out how the writer feels about the place.",
        "steps_own": "First judge each clause, then decide.",
        "only": "Answer with one word.",
        "labels": "Answer with positive, negative or neutral.",
        "labels_h": "The verdict is one out of three: positive, negative, neutral.",
        "labels_good": "Answer with good, bad or mixed.",
        "labels_yes": "Use the labels yes, no and maybe.",
    },
    "extraction": _COMMON
    | {
        "task": "Extract the order details from the message.",
        "task_h": "A buyer has sent us a note; store what was ordered.",
        "fields": "Use the keys name, item, quantity and city.",
        "fields_h": "Four things matter: name, item, quantity, city.",
        "fields_day": "Use the keys name, item, quantity, city and day.",
        "fields_few": "Use the keys item and city.",
        "json": "Output a JSON object.",
        "json_h": "Everything you print has to parse as JSON.",
        "kv": "Use key: value pairs.",
        "digits": "Write numbers as digits.",
        "digits_h": "Quantities are numerals such as 3 or 7, never spelled.",
        "spelled": "Write numbers in words.",
        "corrected": "If the customer corrects something, use the corrected value.",
        "corrected_h": "Where somebody takes a word back, only the later one matters.",
    },
    "last_letters": _COMMON
    | {
        "task": "Give the last letter of each word.",
        "task_h": "What does every word stop with? Print those characters.",
        "first": "Give the first letter of each word.",
        "space": "Separate the letters with spaces.",
        "space_h": "Leave one blank between any two characters.",
        "comma": "Use commas between the letters.",
    },
}

_ROLE = ("", "helper", "expert", "friendly", "teacher")
_EXTRA = ("", "careful", "polite", "explain", "check")

SLOTS: dict[Task, dict[str, tuple[str, ...]]] = {
    "arithmetic": {
        "role": _ROLE,
        "task": ("", "task"),
        "steps": ("", "steps", "steps_own", "terse"),
        "unit": ("", "no_unit", "no_unit_digits"),
        "form": ("", "tag", "only", "sentence", "json"),
        "extra": _EXTRA,
    },
    "sentiment": {
        "role": _ROLE,
        "task": ("", "task"),
        "labels": ("", "labels", "labels_good", "labels_yes"),
        "steps": ("", "steps", "steps_own", "terse"),
        "form": ("", "tag", "only", "sentence"),
        "extra": _EXTRA,
    },
    "extraction": {
        "role": _ROLE,
        "task": ("", "task"),
        "fields": ("", "fields", "fields_day", "fields_few"),
        "digits": ("", "digits", "spelled"),
        "corrected": ("", "corrected"),
        "form": ("", "json", "kv", "sentence"),
        "extra": _EXTRA,
    },
    "last_letters": {
        "role": _ROLE,
        "task": ("", "task", "first"),
        "separator": ("", "space", "comma"),
        "form": ("", "tag", "sentence"),
        "extra": _EXTRA,
    },
}

# A row of a table is "phrases" or "phrases | demonstrations", the latter one letter each: p the gold answer alone,
# t the answer after "Answer:", s worked steps and then the answer.
_DEMONSTRATIONS = (" | p", " | pp", " | pppp", " | tt", " | ss", " | ssss", " | pps", " | spp", "task | pp")

PROMPTS: dict[Task, tuple[str, ...]] = {
    "arithmetic": (
        "", "helper", "expert", "friendly", "teacher", "pirate", "task", "steps", "steps_own", "terse", "polite",
        "explain", "check", "careful", "tag", "only", "sentence", "json", "no_unit", "no_unit_digits", "tag+no_unit",
        "steps+tag", "steps+no_unit", "steps+only", "task+steps", "task+steps+tag", "steps+no_unit+tag",
        "task+steps+no_unit+tag", "expert+task+steps_own+no_unit+tag", "tag+no_unit+steps", "steps+no_unit_digits+tag",
        "steps+no_unit+tag+polite", "steps+no_unit+tag+explain", "steps+no_unit+tag+check",
        "steps+no_unit+tag+careful", "steps+no_unit+tag+terse", "terse+steps+no_unit+tag",
        "friendly+steps+no_unit+tag", "teacher+steps+no_unit+tag", "pirate+steps+no_unit+tag", "steps_h+no_unit+tag",
        "steps+no_unit_h+tag", "steps+no_unit+tag_h", "task_h+steps_h+no_unit_h+tag_h", *_DEMONSTRATIONS,
        "steps | pp", "steps+no_unit+tag | pp", "steps+no_unit+tag | ss",
    ),
    "sentiment": (
        "", "helper", "expert", "friendly", "teacher", "pirate", "task", "steps", "steps_own", "terse", "polite",
        "explain", "check", "careful", "tag", "only", "sentence", "json", "labels", "labels_good", "labels_yes",
        "labels+tag", "steps+tag", "labels+steps", "task+labels", "task+labels+tag", "labels+steps+tag",
        "task+labels+steps+tag", "expert+task+labels+steps_own+tag", "tag+steps+labels", "labels_good+steps+tag",
        "labels+steps+tag+polite", "labels+steps+tag+explain", "labels+steps+tag+check", "labels+steps+tag+careful",
        "labels+steps+tag+terse", "terse+labels+steps+tag", "friendly+labels+steps+tag", "teacher+labels+steps+tag",
        "pirate+labels+steps+tag", "labels_h", "labels_h+steps+tag", "labels+steps_h+tag", "labels+steps+tag_h",
        "task_h+labels_h+steps_h+tag_h", *_DEMONSTRATIONS, "labels | pp", "labels+steps+tag | pp",
        "labels+steps+tag | ss",
    ),
    "extraction": (
        "", "helper", "expert", "friendly", "teacher", "task", "steps", "terse", "polite", "explain", "check",
        "careful", "fields", "fields_day", "json", "kv", "sentence", "digits", "spelled", "corrected", "fields+json",
        "digits+json", "corrected+json", "fields+digits+json", "fields+corrected+json", "digits+corrected",
        "digits+corrected+json", "fields+digits+corrected", "fields+digits+corrected+json",
        "task+fields+digits+corrected+json", "expert+task+fields+digits+corrected+json",
        "json+corrected+digits+fields", "fields+digits+corrected+kv", "fields_day+digits+corrected+json",
        "fields+digits+corrected+json+polite", "fields+digits+corrected+json+explain",
        "fields+digits+corrected+json+check", "fields+digits+corrected+json+careful",
        "fields+digits+corrected+json+terse", "steps+fields+digits+corrected+json",
        "friendly+fields+digits+corrected+json", "fields_h+digits+corrected+json", "fields+digits_h+corrected+json",
        "fields+digits+corrected_h+json", "fields+digits+corrected+json_h",
        "task_h+fields_h+digits_h+corrected_h+json_h", *_DEMONSTRATIONS, "digits+corrected | pp",
        "fields+digits+corrected+json | pp",
    ),
    "last_letters": (
        "", "task", "space", "task+space", "task+comma", "task+space+comma", "task+tag", "task+space+tag",
        "task+steps", "task+space+steps", "task+space+steps+tag", "task+space+polite", "task+space+sentence",
        "task+space+terse", "first+task+space", "task+first+space", "expert+task+space", "task_h+space",
        "task+space_h", *_DEMONSTRATIONS, "task+space | pp",
    ),
}  # fmt: skip
