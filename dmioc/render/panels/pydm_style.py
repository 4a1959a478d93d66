"""How PyDM panels look: one style sheet; it knows widgets by their class and by the property ``role``."""

from __future__ import annotations

from dmioc.render.panels import palette

TITLE_PIXELS = 17
TEXT_PIXELS = 13
ROW_PIXELS = 12
"""Heights of the fonts; a title's bar is 25 pixels high, a line 20, a row of a list 19."""

_WHITE = palette.PALETTE[0]
_RED = palette.PALETTE[20]
_YELLOW = palette.PALETTE[30]
_PINK = palette.PALETTE[35]

_ALARM = {
    0: (palette.GOOD, palette.TEXT),
    1: (_YELLOW, palette.TEXT),
    2: (_RED, _WHITE),
    3: (_PINK, palette.TEXT),
    4: (_WHITE, _RED),
}
"""Background and text of a light by PyDM's number of the severity; 4 is disconnected."""

HORIZONTAL_HEADER = 'QHeaderView[defaultAlignment="132"]'
VERTICAL_HEADER = 'QHeaderView[defaultAlignment="129"]'
"""Headers of tables: a style sheet knows them apart by their alignment, Qt::AlignCenter and Qt::AlignLeft."""

_FIXED_PITCH = f'font-family: "Liberation Mono", "DejaVu Sans Mono", "Courier"; font-size: {ROW_PIXELS}px;'


def long_text(*, fixed_pitch: bool) -> str:
    """The style sheet of one text of many lines: in what scrolls, that of the form does not always reach it."""
    font = _FIXED_PITCH if fixed_pitch else f"font-size: {TEXT_PIXELS}px;"
    return (
        f"* {{ color: #{palette.TITLE.hex}; background-color: #{palette.BAR.hex}; padding: 2px; border: none; {font} }}"
    )


def _lights() -> str:
    return "".join(
        f'PyDMLabel[role="light"][alarmSeverity="{severity}"]'
        f" {{ background-color: #{background.hex}; color: #{text.hex}; border: none; padding: 0px; }}\n"
        for severity, (background, text) in _ALARM.items()
    )


STYLE = f"""
* {{ font-family: "Liberation Sans", "Arial", "Helvetica"; font-size: {TEXT_PIXELS}px; }}
QToolTip {{ color: #{palette.TEXT.hex}; background-color: #{palette.BAR.hex}; }}
QFrame[role="background"] {{ background-color: #{palette.BACKGROUND.hex}; }}
QFrame[role="frame"] {{ border: 1px solid #{palette.TEXT.hex}; background-color: transparent; }}
QLabel[role="title"] {{ background-color: #{palette.BAR.hex}; color: #{palette.TITLE.hex}; font-size: {TITLE_PIXELS}px; }}
QLabel[role="head"] {{ background-color: #{palette.BAR.hex}; color: #{palette.TITLE.hex}; }}
QLabel[role="label"] {{ color: #{palette.TEXT.hex}; }}
PyDMLabel[role="read"] {{ color: #{palette.TITLE.hex}; }}
QScrollArea {{ background-color: #{palette.BAR.hex}; border: none; }}
QLabel[role="row"] {{ color: #{palette.TEXT.hex}; background-color: #{palette.BAR.hex}; padding: 2px; {_FIXED_PITCH} }}
{_lights()}PyDMLabel[alarmSeverity="4"] {{ background-color: #{_WHITE.hex}; color: #{_RED.hex}; }}
PyDMLineEdit {{
 background-color: #{palette.ENTRY.hex}; color: #{palette.TEXT.hex}; border: 1px solid #{palette.TITLE.hex}; padding: 0px 2px;
}}
PyDMLineEdit:disabled {{ background-color: #{palette.RESTING.hex}; }}
PyDMLineEdit[alarmSeverity="4"] {{ border: 2px dashed #{_WHITE.hex}; }}
PyDMEnumComboBox {{ background-color: #{palette.ENTRY.hex}; color: #{palette.TEXT.hex}; padding: 0px 4px; }}
PyDMEnumComboBox:disabled {{ background-color: #{palette.RESTING.hex}; }}
QPushButton {{ padding: 0px; border: 1px outset #{palette.TEXT.hex}; border-radius: 2px; color: #{palette.TEXT.hex}; }}
QPushButton:pressed {{ border-style: inset; }}
QPushButton:disabled {{ background-color: #{palette.RESTING.hex}; color: #{palette.UNLIT.hex}; }}
PyDMPushButton[role="command"]:enabled {{ background-color: #{palette.COMMAND.hex}; font-weight: bold; }}
PyDMPushButton[role="set"]:enabled {{ background-color: #{palette.ENTRY.hex}; }}
PyDMEnumButton QPushButton:enabled {{ background-color: #{palette.ENTRY.hex}; }}
PyDMEnumButton QPushButton:checked {{ border: 2px inset #{palette.TITLE.hex}; font-weight: bold; }}
PyDMRelatedDisplayButton {{ background-color: #{palette.RELATED.hex}; color: #{palette.RELATED_TEXT.hex}; }}
QTableView {{
 background-color: #{_WHITE.hex}; color: #{palette.TEXT.hex}; font-size: {ROW_PIXELS}px; qproperty-wordWrap: false;
}}
QHeaderView::section {{ background-color: #{palette.BAR.hex}; color: #{palette.TITLE.hex}; padding: 0px 3px; }}
{HORIZONTAL_HEADER} {{ qproperty-stretchLastSection: true; }}
{VERTICAL_HEADER} {{ qproperty-defaultSectionSize: 20; }}
"""
