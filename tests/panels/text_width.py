"""About how wide a text is: the widths of Helvetica, which Liberation Sans and Arial share."""

from __future__ import annotations

_THOUSANDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 "
    "556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 "
    "667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 "
    "556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
"""Of the characters from space to tilde, in thousandths of the font's height."""

_WIDTHS = {chr(32 + number): int(width) / 1000 for number, width in enumerate(_THOUSANDTHS.split())}
_FIXED_PITCH = 0.6


def width_px(text: str, font_px: float, *, fixed_pitch: bool = False) -> float:
    """Pixels that a text takes in a font of so many pixels."""
    if fixed_pitch:
        return len(text) * _FIXED_PITCH * font_px
    return font_px * sum(_WIDTHS.get(character, 0.6) for character in text)
