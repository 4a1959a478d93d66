"""The panels in the repository, and how each program's are read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from panel_checks import FIRST, Opened, opened_from
from panel_items import OPI, PanelFile
from reading_adl import read_adl
from reading_bob import read_bob
from reading_ui import read_ui

READERS: dict[str, Callable[[Path], PanelFile]] = {".bob": read_bob, ".adl": read_adl, ".ui": read_ui}
EXTENSIONS = {"phoebus": ".bob", "medm": ".adl", "caqtdm": ".ui", "pydm": ".ui"}
TOOLS = sorted(EXTENSIONS)


@functools.cache
def files(tool: str) -> dict[str, PanelFile]:
    """The panels of a display manager by the names of their files."""
    return {path.name: READERS[path.suffix](path) for path in sorted((OPI / tool).glob(f"*{EXTENSIONS[tool]}"))}


def first(tool: str) -> PanelFile:
    """Its panel that leads to the others."""
    return files(tool)[FIRST + EXTENSIONS[tool]]


@functools.cache
def opened(tool: str) -> list[Opened]:
    """Every panel of it as the overview leads to it, for every slot."""
    return opened_from(first(tool), files(tool))[0]
