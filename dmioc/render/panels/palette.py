"""Colours: MEDM's palette of 65, which all formats share, and what each is used for (measured on synApps' displays)."""

from __future__ import annotations

from dataclasses import dataclass

_HEX = """
ffffff ececec dadada c8c8c8 bbbbbb aeaeae 9e9e9e 919191 858585 787878 696969 5a5a5a 464646
2d2d2d 000000 00d800 1ebb00 339900 2d7f00 216c00 fd0000 de1309 be190b a01207 820400 5893ff
597ee1 4b6ec7 3a5eab 27548d fbf34a f9da3c eeb62b e19015 cd6100 ffb0ff d67fe2 ae4ebc 8b1a96
610a75 a4aaff 8793e2 6a73c1 4d52a4 343386 c7bb6d b79d5c a47e3c 7d5627 58340f 99ffff 73dfff
4ea5f9 2a63e4 0a00b8 ebf1b5 d4db9d bbc187 a6a462 8b8239 73ff6b 52da3b 3cb420 289315 1a7309
"""


@dataclass(frozen=True, slots=True)
class Color:
    """One colour of the palette: its index in MEDM's colour map, and its red, green and blue, 0 to 255."""

    index: int
    red: int
    green: int
    blue: int

    @property
    def hex(self) -> str:
        """Six digits: ``bbbbbb``."""
        return f"{self.red:02x}{self.green:02x}{self.blue:02x}"


PALETTE = tuple(
    Color(index, int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)) for index, text in enumerate(_HEX.split())
)

BACKGROUND = PALETTE[4]
TEXT = PALETTE[14]
BAR = PALETTE[2]
"""Behind titles, heads of frames and long texts."""
TITLE = PALETTE[54]
"""Text of titles, and of values that carry no alarm of DM."""
ALARM_BACKGROUND = PALETTE[12]
"""Behind values in the colour of their alarm: MEDM's green, yellow and red are readable on dark only."""
ALARM_TEXT = PALETTE[0]
ENTRY = PALETTE[51]
"""Fields and buttons that set something."""
COMMAND = PALETTE[50]
"""Buttons that run a command."""
RELATED = PALETTE[44]
"""Buttons that open another panel."""
RELATED_TEXT = PALETTE[0]
LIT = PALETTE[30]
"""A lamp that is on: a command is Busy."""
UNLIT = PALETTE[10]
PROGRESS = PALETTE[63]
"""A bar's filled part."""
TROUGH = PALETTE[2]
"""A bar's empty part."""
GOOD = PALETTE[15]
"""A state without an alarm."""
RESTING = PALETTE[3]
"""The state that a PV has before anything is known or done."""
