"""What a process prints: its last bytes, and the variables that are read out of them."""

from __future__ import annotations

import re

from dmioc.localdm.workflows.variables import VARIABLE, variable_name

_CONTINUATION_BYTES = range(0x80, 0xC0)


class OutputTail:
    """The last ``limit_bytes`` of a stream of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self.total_bytes = 0

    def add(self, data: bytes) -> None:
        """Take what was printed."""
        self.total_bytes += len(data)
        self._kept += data[-self._limit_bytes :]
        if len(self._kept) > 2 * self._limit_bytes:  # twice, so that the bytes are moved seldom
            del self._kept[: -self._limit_bytes]

    def kept_text(self) -> str:
        """The last bytes as text; what is no UTF-8 is shown as �."""
        kept = bytes(self._kept[-self._limit_bytes :])
        if len(kept) < self.total_bytes:  # the cut may be in the middle of a character
            start = 0
            while start < min(3, len(kept)) and kept[start] in _CONTINUATION_BYTES:
                start += 1
            kept = kept[start:]
        return kept.decode(errors="replace")

    def text(self) -> str:
        """The last bytes as text, after a line that says how many were left out, if any were."""
        left_out = self.total_bytes - min(self._limit_bytes, len(self._kept))
        return left_out_line(left_out) + self.kept_text() if left_out > 0 else self.kept_text()


def left_out_line(count_bytes: int) -> str:
    """The line that stands for output that is not kept."""
    return f"[{count_bytes} bytes left out]\n"


def format_pattern(exec_out_format: str) -> str:
    """A pattern with named groups for an ``execOutFormat`` such as ``Your job $jobId has been submitted``.

    The key is old and only named in the vendor's list (``dm-protocol.md §6.4``): one word for each variable is assumed.
    """
    parts: list[str] = []
    seen: set[str] = set()
    position = 0
    for found in VARIABLE.finditer(exec_out_format):
        name = variable_name(found)
        parts.append(re.escape(exec_out_format[position : found.start()]))
        parts.append(rf"(?P={name})" if name in seen else rf"(?P<{name}>\S+)")
        seen.add(name)
        position = found.end()
    return "".join(parts) + re.escape(exec_out_format[position:])
