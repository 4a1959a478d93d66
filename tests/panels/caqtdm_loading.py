"""Loads caQtDM's ``.ui`` files with PyQt5 and stand-ins for caQtDM's widgets; prints where each widget came to lie.

No package of caQtDM is to be had; Qt's own loader takes its files as Qt takes them. Run as a process, without a screen.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt5 import QtWidgets, uic

CLASSES = json.loads(Path(__file__).with_name("caqtdm_widgets.json").read_text("utf-8"))["widgets"]
PLACES = ("QMainWindow", "QWidget")
MODULE = "caqtdm_stand_ins"


def stand_ins() -> Any:
    """A module with a class for each of caQtDM's that extends the same class of Qt."""
    module: Any = type(sys)(MODULE)
    for name, known in CLASSES.items():
        setattr(module, name, type(name, (getattr(QtWidgets, known["extends"]),), {}))
    return module


def loadable(path: Path) -> io.StringIO:
    """The file with its classes declared, and without the properties that only caQtDM has."""
    root = ElementTree.fromstring(path.read_text("utf-8"))
    declared = ElementTree.SubElement(root, "customwidgets")
    for name, known in CLASSES.items():
        one = ElementTree.SubElement(declared, "customwidget")
        for tag, text in (("class", name), ("extends", known["extends"]), ("header", MODULE)):
            ElementTree.SubElement(one, tag).text = text
    for widget in root.iter("widget"):
        if widget.get("class") in CLASSES:
            for one in [one for one in widget.findall("property") if one.get("name") != "geometry"]:
                widget.remove(one)
    return io.StringIO(ElementTree.tostring(root, encoding="unicode"))


def places(path: Path) -> list[list[object]]:
    """Class and place of every widget of caQtDM's, in the window."""
    window: Any = uic.loadUi(loadable(path))
    window.show()
    found = [one for one in window.findChildren(QtWidgets.QWidget) if type(one).__name__ in CLASSES]
    corners = [one.mapTo(window, one.rect().topLeft()) for one in found]
    listed = [
        [type(one).__name__, corner.x(), corner.y(), one.width(), one.height()]
        for one, corner in zip(found, corners, strict=True)
    ]
    window.close()
    return listed


def main() -> None:
    """Load the files that are named as arguments."""
    application = QtWidgets.QApplication(["caqtdm"])
    sys.modules[MODULE] = stand_ins()
    print(json.dumps({path: places(Path(path)) for path in sys.argv[1:]}), flush=True)
    del application
    os._exit(0)


if __name__ == "__main__":
    main()
