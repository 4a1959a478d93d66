"""caQtDM's files: classes, properties and values that caQtDM knows, and Qt's own loader places the widgets as they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from panel_items import OPI
from reading_ui import properties, read_ui

HERE = Path(__file__).parent
KNOWN = json.loads((HERE / "caqtdm_widgets.json").read_text("utf-8"))["widgets"]
FILES = sorted((OPI / "caqtdm").glob("*.ui"))
BASE = {"geometry", "font"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_classes_properties_and_values_are_caqtdms(path: Path) -> None:
    root = ElementTree.fromstring(path.read_text("utf-8"))
    used = [one for one in root.iter("widget") if one.get("class") not in ("QMainWindow", "QWidget")]
    assert used
    for widget in used:
        known = KNOWN[widget.get("class", "")]["properties"]
        for name, value in properties(widget).items():
            assert name in known.keys() | BASE, (widget.attrib, name)
            assert not known.get(name) or value in known[name], (widget.attrib, name, value)


def test_long_texts_keep_their_size() -> None:
    for path in FILES:
        for widget in ElementTree.fromstring(path.read_text("utf-8")).iter("widget"):
            found = properties(widget)
            if found.get("formatType") == "string":
                assert found["fontScaleMode"] == "caLineEdit::Height", (path.name, found["channel"])


def test_qt_places_the_widgets_where_they_are_written() -> None:
    command = [sys.executable, str(HERE / "caqtdm_loading.py"), *map(str, FILES)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    placed = json.loads(answer.stdout)
    for path in FILES:
        read = [[one.kind, one.box.x, one.box.y, one.box.width, one.box.height] for one in read_ui(path).items]
        assert sorted(placed[str(path)]) == sorted(read), path.name
