"""YAML 1.2 read by PyYAML, which by itself reads 1.1, where ``no``, ``12:30`` and ``2024-01-02`` are no text.

A schema says which plain scalars are anything but text. The standard (YAML 1.2.2, chapter 10) has two: configs, which
people write, are read by the core schema; data, where ``True`` may be a label, by the narrower JSON schema.
"""

import re
from typing import Any

import yaml

TAG = "tag:yaml.org,2002:"

INT = re.compile(r"^[-+]?(?:0|[1-9](?:_?[0-9])*|0x[0-9a-fA-F]+|0o[0-7]+)$")
FLOAT = re.compile(r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$")
BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
NULL = re.compile(r"^(?:~|null|Null|NULL|)$")

Schema = tuple[tuple[str, re.Pattern[str], list[str]], ...]
"""Kind, form and first characters of the plain scalars that are not text."""

CORE: Schema = (
    ("null", NULL, ["~", "n", "N", ""]),
    ("bool", BOOL, list("tTfF")),
    ("int", INT, list("-+0123456789")),
    ("float", FLOAT, list("-+.0123456789")),
    ("merge", re.compile(r"^<<$"), ["<"]),
)
JSON: Schema = (
    ("null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""]),
    ("bool", re.compile(r"^(?:true|false)$"), ["t", "f"]),
    ("int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789")),
    ("float", re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"), list("-0123456789")),
)


class Loader(yaml.SafeLoader):
    """Builds plain data only; a subclass names its schema: ``class MyLoader(Loader, schema=JSON)``."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML fills it by classmethod

    def __init_subclass__(cls, *, schema: Schema) -> None:
        """Read plain scalars by this schema."""
        super().__init_subclass__()
        for kind, form, first in schema:
            cls.add_implicit_resolver(TAG + kind, form, first)
