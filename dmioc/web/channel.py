"""One PV as everybody who looks at it sees it: its newest value only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dmioc.web.fields import ALWAYS, COLUMN, Fields, json_text


class Channel:
    """The newest value of a PV, or since when it has none.

    Every field carries the revision at which it changed last, so that a browser that has seen an older revision gets
    what is newer, however much it has missed. Nothing else is kept for a browser.

    Attributes:
        name: full name of the PV.
        revision: grows with each change; 0 is before everything.
        connected: whether there is a value.
        since_s: POSIX seconds since when it is connected, or is not.
        watchers: called after each change.
    """

    def __init__(self, name: str, now_s: float) -> None:
        self.name = name
        self.revision = 1
        self.connected = False
        self.since_s = now_s
        self.watchers: set[Callable[[Channel], None]] = set()
        self._was_connected = False
        self._fields: dict[str, tuple[int, str]] = {}

    @property
    def found(self) -> bool:
        """Whether it was ever connected."""
        return self._was_connected

    def take(self, fields: Fields, now_s: float) -> None:
        """An update came."""
        self.revision += 1
        if not self.connected:
            self.connected, self._was_connected, self.since_s = True, True, now_s
            self._fields = {}
        for name, text in fields.items():
            known = self._fields.get(name)
            if known is None or known[1] != text:
                self._fields[name] = (self.revision, text)
        self._tell()

    def lose(self, now_s: float) -> None:
        """The connection is lost: there is no value any more, also no old one."""
        if self.connected:
            self.revision += 1
            self.connected, self.since_s = False, now_s
            self._fields = {}
            self._tell()

    def message(self, name: str, seen: int) -> str:
        """The update message for somebody who calls the PV ``name`` and has seen the revision ``seen``."""
        head = {"type": json_text("update"), "pv": json_text(name), "connected": json_text(self.connected)}
        if not self.connected:
            # Neither value nor text: so PVWS says that there is none.
            head |= {"severity": json_text("UNDEFINED"), "since": json_text(self.since_s)}
            return _object(head | {"found": json_text(self._was_connected), "readonly": "true"})
        newer = {field: text for field, (revision, text) in self._fields.items() if revision > seen or field in ALWAYS}
        columns = {field[len(COLUMN) :]: text for field, text in newer.items() if field.startswith(COLUMN)}
        rest = {field: text for field, text in newer.items() if not field.startswith(COLUMN)}
        table = {"columns": _object(columns)} if columns else {}
        first = {"readonly": "true"} if "vtype" in rest else {}
        return _object(head | first | rest | table)

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):
            watcher(self)


def _object(members: Mapping[str, str]) -> str:
    """A JSON object of members that are JSON already."""
    return "{" + ",".join(f"{json_text(name)}:{text}" for name, text in members.items()) + "}"
