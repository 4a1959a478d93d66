"""``iocBoot/README.md``: what it says operators see is what the gateway says, and its PVs and files exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from boot_scripts import IOC_BOOT, ROOT

from dmioc.app import ExitCode
from dmioc.catalogue import Slots, station_catalogue

GUIDE = (IOC_BOOT / "README.md").read_text("utf-8")
CATALOGUE = station_catalogue(Slots(daq=2, upload=2, workflow=4, stream=2))
NAME = re.compile(r"(?:[A-Z]+\d?:)?[A-Z][A-Za-z0-9_]+")


@functools.cache
def texts() -> str:
    """Every text in the gateway's sources, one a line."""
    found: list[str] = []
    paths = [
        path
        for part in ("engine", "dm", "serve", "access", "model", "localdm/workflows")
        for path in (ROOT / "dmioc" / part).rglob("*.py")
    ]
    for path in [ROOT / "dmioc" / "app.py", ROOT / "dmioc" / "localdm" / "child.py", *paths]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def first_cells(part: str) -> list[str]:
    """The first cell of every row of the tables below a heading."""
    rows = re.findall(r"^\| (.*?) \| ", part.replace(r"\|", "\0"), re.MULTILINE)
    return [row.replace("\0", "|") for row in rows if not row.startswith("---")]


RED = GUIDE.partition("## When it is red")[2]
SEEN = [(cell, word) for cell in first_cells(RED) for word in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(("cell", "word"), SEEN, ids=[word for _, word in SEEN])
def test_what_is_seen_is_what_the_gateway_shows(cell: str, word: str) -> None:
    """Each is a PV, or a text of the gateway's."""
    is_pv = any(pv.name == word or pv.short_name == word for pv in CATALOGUE)
    assert is_pv or word in texts(), f"{word!r} in {cell!r}"


def test_states_in_the_first_column_are_states_of_their_pv() -> None:
    checked = 0
    for cell in first_cells(RED):
        found = re.match(r"`([A-Z0-9:a-zA-Z]+)` ([A-Z][a-z]+[A-Za-z]*)", cell)
        if found and found[1] in CATALOGUE and CATALOGUE[found[1]].labels:
            assert found[2] in CATALOGUE[found[1]].labels, cell
            checked += 1
    assert checked > 8


def test_every_pv_that_is_named_exists() -> None:
    prose = re.sub(r"^```.*?^```", "", GUIDE, flags=re.MULTILINE | re.DOTALL)
    words = {word for word in re.findall(r"`([^`\n]+)`", prose) if NAME.fullmatch(word) and ":" in word}
    assert len(words) > 20
    assert {word for word in words if word not in CATALOGUE} == set()


def test_exit_codes_are_those_of_dmioc() -> None:
    codes = {int(cell) for cell in first_cells(GUIDE) if cell.isdigit()}
    assert {int(code) for code in ExitCode} <= codes


def test_links_and_files_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)[#)]", GUIDE):
        assert (IOC_BOOT / target).exists(), target
    for path in ("iocdm/st.procserv", "etc/local-dm.conf", "etc/logrotate.conf"):
        assert (IOC_BOOT / path).exists() and Path(path).name in GUIDE
