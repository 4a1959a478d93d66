"""A reader of MEDM's ``.adl``: blocks in braces, ``name = value`` and lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from panel_items import Box, Item, Link, PanelFile, Role, macro_pairs

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{}=,])|([^\s{}=,"]+)')


@dataclass
class Block:
    """One block: its name, its values and the blocks in it."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def value(self, name: str, default: str = "") -> str:
        """A value of this block or of one in it."""
        if name in self.values:
            return self.values[name]
        return next((found for block in self.blocks if (found := block.value(name))), default)


def blocks(text: str) -> Block:
    """The whole file; fails when a brace is missing."""
    tokens: Iterator[tuple[str, str]] = (
        ("sign", found[2]) if found[2] else ("word", found[1] if found[1] is not None else found[3])
        for found in _TOKEN.finditer(text)
    )
    open_blocks = [Block("file")]
    words: list[str] = []
    for kind, token in tokens:
        here = open_blocks[-1]
        if (kind, token) == ("sign", "{"):
            inner = Block(" ".join(words))
            words = []
            here.blocks.append(inner)
            open_blocks.append(inner)
        elif (kind, token) == ("sign", "}"):
            here.words += words
            words = []
            open_blocks.pop()
            assert open_blocks, "one brace too many"
        elif (kind, token) == ("sign", "="):
            _, here.values[words.pop()] = next(tokens)
        elif kind == "word":
            words.append(token)
    assert len(open_blocks) == 1, f"{len(open_blocks) - 1} braces are not closed"
    return open_blocks[0]


_ROLES = {
    "text": Role.STATIC,
    "rectangle": Role.AREA,
    "text update": Role.READ,
    "byte": Role.SIGN,
    "bar": Role.SIGN,
    "text entry": Role.ENTRY,
    "menu": Role.MENU,
    "choice button": Role.MENU,
    "message button": Role.BUTTON,
    "related display": Role.LINK,
}


def _box(block: Block) -> Box:
    place = next(one for one in block.blocks if one.name == "object").values
    return Box(*(int(place[name]) for name in ("x", "y", "width", "height")))


def _face(block: Block) -> str:
    """The text on a button; a leading - says that a related display has no icon."""
    return block.values.get("label", "").removeprefix("-") if block.name.endswith(("button", "display")) else ""


def _item(block: Block) -> Item:
    inner = [one for one in block.blocks if re.fullmatch(r"display\[\d+\]", one.name)]
    links = tuple(
        Link(one.values["name"], macro_pairs(one.values.get("args", ""))) for one in inner if one.values.get("name")
    )
    return Item(
        kind=block.name,
        role=_ROLES[block.name],
        box=_box(block),
        address=block.value("chan"),
        text=block.value("textix") or _face(block),
        as_text=block.values.get("format") == "string",
        writes=block.values.get("press_msg", ""),
        links=links,
    )


def _values(block: Block) -> Iterator[str]:
    yield from block.values.values()
    for inner in block.blocks:
        yield from _values(inner)


def read_adl(path: Path) -> PanelFile:
    """The widgets of the file; fails for one that it does not know."""
    whole = blocks(path.read_text("utf-8"))
    found = {block.name: block for block in whole.blocks}
    size = _box(found["display"])
    other = {"file", "display", "color map"}
    items = tuple(_item(block) for block in whole.blocks if block.name not in other)
    return PanelFile(path, Box(0, 0, size.width, size.height), items, tuple(_values(whole)))
