"""``$name`` and ``${name}`` in the texts of a workflow (``dm-protocol.md §6.4``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def variable_text(value: object) -> str:
    """A value as text: Python's own form for numbers and truth values (8-ID passes ``"True"``), nothing for null,
    JSON for lists and objects (assumed; real arguments are texts).
    """
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)


def substituted(text: str, variables: Mapping[str, object]) -> str:
    """The text with every variable replaced; one that is not defined becomes the empty text.

    Values are put in as they are and are not looked at again.
    """
    return VARIABLE.sub(lambda found: variable_text(variables.get(variable_name(found))), text)


def substituted_command(command: str, variables: Mapping[str, object]) -> str:
    """The command with every defined variable replaced; the others are left to the shell.

    To the shell an unknown name is the empty text too, and so ``$HOME``, the variable of a ``for`` loop and ``$NF`` of
    awk work. Whether DM does this or puts in the empty text is not known; either gives empty (``§6.4``).
    Values are put in as plain text, as DM does: the command has to quote them (``"$filePath"``), and a value can hold
    shell syntax.
    """

    def value(found: re.Match[str]) -> str:
        name = variable_name(found)
        return variable_text(variables[name]) if name in variables else found.group()

    return VARIABLE.sub(value, command)


def variable_name(found: re.Match[str]) -> str:
    """Name in a match of `VARIABLE`."""
    return found.group(1) or found.group(2)


def uses(text: str, name: str) -> bool:
    """Whether the text names the variable."""
    return any(variable_name(found) == name for found in VARIABLE.finditer(text))
