"""PyDM without a screen, as a process of its own: opens panels, says what they show, types and clicks.

Takes one JSON object a line on stdin, ``{"do": "open", ...}``, and answers one a line on stdout. A process, because the threads
of Qt and libca may hang the Python that ends them.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt5")
os.environ.setdefault("PYDM_EPICS_LIB", "PYEPICS")

import epicscorelibs.path.pyepics  # noqa: F401  # the libca of the test suite, before pyepics looks for another
from pva_client import PvaContext
from pydm.data_plugins.epics_plugins.p4p_plugin_component import P4PPlugin
from pydm.display import ScreenTarget, load_file
from pydm.utilities import close_widget_connections
from pydm.utilities.stylesheet import apply_stylesheet
from pydm.widgets.base import PyDMWidget
from pydm.widgets.enum_combo_box import PyDMEnumComboBox
from pydm.widgets.label import PyDMLabel
from pydm.widgets.line_edit import PyDMLineEdit
from pydm.widgets.nt_table import PyDMNTTable
from pydm.widgets.pushbutton import PyDMPushButton
from pydm.widgets.related_display_button import PyDMRelatedDisplayButton
from PyQt5 import QtTest
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QWidget

PERSON: Any = QtTest.QTest
"""Who clicks and types; its stubs know not all it can do."""


class PyDMAbsoluteGeometry(QWidget):
    """What adl2pydm takes for a display; no released PyDM has it."""


_shim = types.ModuleType("pydm.widgets.absolute_geometry")
_shim.PyDMAbsoluteGeometry = PyDMAbsoluteGeometry  # pyright: ignore[reportAttributeAccessIssue]
sys.modules["pydm.widgets.absolute_geometry"] = _shim


class Session:
    """One panel at a time."""

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self._display: Any = None

    def open(self, path: str, macros: dict[str, str], timeout_s: float) -> dict[str, Any]:
        """Open a panel; answers the channels that did not connect in time."""
        self.close()
        self._display = load_file(path, macros=macros, target=ScreenTarget.HOME)
        self._display.show()
        self._wait(lambda: not self._missing(), timeout_s)
        self._settle()
        size = self._display.size()
        return {"missing": self._missing(), "size": [size.width(), size.height()]}

    def read(self) -> dict[str, Any]:
        """What each widget with a channel shows."""
        self._settle()
        return {"widgets": [self._shown(widget) for widget in self._channel_widgets()]}

    def cut(self) -> dict[str, Any]:
        """Labels of one line whose text is wider than they are: text, pixels needed, pixels there, channel."""
        labels = [one for one in self._display.findChildren(QLabel) if one.isVisible() and not one.wordWrap()]
        return {
            "labels": [
                [one.text(), needed, one.contentsRect().width(), str(getattr(one, "channel", None) or "")]
                for one in labels
                if (needed := one.fontMetrics().horizontalAdvance(one.text())) > one.contentsRect().width()
            ]
        }

    def unknown(self) -> dict[str, Any]:
        """Properties in the file that a widget does not have: class and name."""
        own = {b"role"}
        return {
            "properties": sorted(
                {
                    (type(one).__name__, bytes(name).decode())
                    for one in self._display.findChildren(QWidget)
                    for name in one.dynamicPropertyNames()
                    if bytes(name) not in own and not bytes(name).startswith(b"_q_")
                }
            )
        }

    def type(self, channel: str, text: str) -> dict[str, Any]:
        """Type into the field of a channel, as a person does: click, select all, keys, Enter."""
        field = self._one(PyDMLineEdit, channel)
        PERSON.mouseClick(field, Qt.MouseButton.LeftButton)
        field.selectAll()
        for character in text:  # QTest.keyClicks ends the process at a letter beyond ASCII
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                self._application.sendEvent(
                    field, QKeyEvent(kind, Qt.Key.Key_unknown, Qt.KeyboardModifier.NoModifier, character)
                )
        PERSON.keyClick(field, Qt.Key.Key_Return)
        self._settle()
        return {}

    def click(self, channel: str) -> dict[str, Any]:
        """Click the button of a channel."""
        PERSON.mouseClick(self._one(PyDMPushButton, channel), Qt.MouseButton.LeftButton)
        self._settle()
        return {}

    def press(self, channel: str, text: str) -> dict[str, Any]:
        """Click the one of several buttons of a channel that says so."""
        buttons = [one for one in self._display.findChildren(PyDMPushButton) if one.channel == channel]
        PERSON.mouseClick(next(one for one in buttons if one.text() == text), Qt.MouseButton.LeftButton)
        self._settle()
        return {}

    def choose(self, channel: str, label: str) -> dict[str, Any]:
        """Choose from the menu of a channel by its first letters, as a person does from the keyboard."""
        menu = self._one(PyDMEnumComboBox, channel)
        menu.setFocus()
        PERSON.keyClicks(menu, label)
        self._settle()
        return {"now": menu.currentText()}

    def follow(self, text: str) -> dict[str, Any]:
        """Press the button that opens another panel; answers which one opened, and with which macros."""
        buttons = [one for one in self._display.findChildren(PyDMRelatedDisplayButton) if one.text() == text]
        shown = set(self._application.topLevelWidgets())
        PERSON.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
        self._settle()
        new = [one for one in self._application.topLevelWidgets() if one not in shown and hasattr(one, "loaded_file")]
        answer = {"opened": [[Path(one.loaded_file()).name, one.macros()] for one in new]}
        for one in new:
            close_widget_connections(one)
            one.close()
        return answer

    def grab(self, path: str) -> dict[str, Any]:
        """A picture of the panel."""
        self._settle()
        return {"saved": self._display.grab().save(path)}

    def close(self) -> dict[str, Any]:
        """Close the panel that is open."""
        if self._display is not None:
            close_widget_connections(self._display)
            self._display.close()
            self._display.deleteLater()
            self._display = None
            self._application.processEvents()
        return {}

    def _channel_widgets(self) -> list[Any]:
        return [one for one in self._display.findChildren(QWidget) if isinstance(one, PyDMWidget) and one.channel]

    def _missing(self) -> list[str]:
        return sorted({one.channel for one in self._channel_widgets() if not self._is_there(one)})

    @staticmethod
    def _is_there(widget: Any) -> bool:
        return bool(widget._connected) and widget.value is not None

    def _one(self, kind: Callable[..., Any], channel: str) -> Any:
        found = [one for one in self._display.findChildren(kind) if one.channel == channel]
        assert len(found) == 1, f"{len(found)} widgets of {channel}"
        return found[0]

    def _shown(self, widget: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {"class": type(widget).__name__, "channel": widget.channel}
        if isinstance(widget, PyDMNTTable):
            model: Any = widget._table.model()
            rows, columns = range(model.rowCount()), range(model.columnCount())
            shown["rows"] = [[model.data(model.index(row, column)) for column in columns] for row in rows]
            shown["labels"] = [model.headerData(column, Qt.Orientation.Horizontal) for column in columns]
        elif isinstance(widget, PyDMEnumComboBox):
            shown["text"] = widget.currentText()
        elif isinstance(widget, PyDMLabel | QLineEdit):
            shown["text"] = widget.text()
        elif isinstance(widget, QPushButton):
            shown["label"] = widget.text()
        else:
            shown["value"] = widget.value
        return shown

    def _settle(self, for_s: float = 0.05) -> None:
        """Let what is queued in Qt be done."""
        ends = time.monotonic() + for_s
        while time.monotonic() < ends:
            self._application.processEvents()
            time.sleep(0.005)

    def _wait(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        ends = time.monotonic() + timeout_s
        while not is_done() and time.monotonic() < ends:
            self._application.processEvents()
            time.sleep(0.01)


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not come between the answers
    P4PPlugin.context = PvaContext()  # p4p's own loses the first update of a monitor now and then (`pva_client`)
    application = QApplication(["pydm"])
    apply_stylesheet()
    session = Session(application)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except Exception as error:  # the test that asked reports it
            answer = {"error": repr(error)}
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # the threads of Qt and libca are left as they are: ending them may hang


if __name__ == "__main__":
    main()
