"""The session cookie of one service (``dm-protocol.md §1.5``)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

_VALUES_KEPT = 16


class Cookies:
    """Keeps what the service set, and gives it back as it came; ``repr`` shows no value.

    The vendor's Python and Java clients both send the whole ``Set-Cookie`` text back, attributes included; so does
    this, as that is what is known to work. The name of DM's cookie is unknown, so that every cookie is kept.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._values: deque[str] = deque(maxlen=_VALUES_KEPT)
        self.logins = 0

    def keep(self, set_cookie: Sequence[str]) -> None:
        """Take the ``Set-Cookie`` headers of an answer; any answer may renew the session."""
        for text in set_cookie:
            name, equals, _ = text.partition("=")
            if equals and text.isprintable():
                self._texts[name.strip()] = text.strip()
                value = text.partition("=")[2].partition(";")[0].strip()
                if value and value not in self._values:
                    self._values.append(value)

    def clear(self) -> None:
        """Forget the session."""
        self._texts.clear()

    @property
    def header(self) -> str:
        """Value of the ``Cookie`` header; empty when there is no session."""
        return "; ".join(self._texts.values())

    @property
    def secrets(self) -> list[str]:
        """The values that must not be shown to people, those of the sessions before too: an answer may come late."""
        return list(self._values)
