"""Keeps the log of this program as it is, whatever ``aps-dm-api`` does to it.

The package configures the root logger: it brings handlers of its own, one to standard output, sets the level to ERROR, and gives
its own loggers the level DEBUG, at which it writes session cookies.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

THREAD_NAME = "aps-dm-api"
"""Beginning of the name of each thread in which the package works."""

_OWN = "dmioc"
_CHANGES = ("addHandler", "removeHandler", "addFilter", "removeFilter", "setLevel")
"""Methods of the root logger that the package's threads call in vain."""


class _PackageRecords(logging.Filter):
    """Lets through what is of use of the package's records.

    Below WARNING they hold cookies; those with a traceback are raised as errors too, and told by whoever catches them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.secrets: tuple[str, ...] = ()

    def filter(self, record: logging.LogRecord) -> bool:
        is_package = (record.threadName or "").startswith(THREAD_NAME) and record.name.split(".")[0] != _OWN
        if not is_package:
            return True
        if record.levelno < logging.WARNING or record.exc_info:
            return False
        text = record.getMessage()
        for secret in self.secrets:
            text = text.replace(secret, "***")
        record.msg, record.args = " ".join(text.split()), None
        return True


class GuardedLog:
    """The root logger as it is now: the package's threads cannot change it, and what they do behind its back is put back.

    A handler of the package's own would write its cookies to standard output, if only for the time of one call.
    """

    def __init__(self) -> None:
        root = logging.getLogger()
        self._root = root
        self._handlers = list(root.handlers)
        self._filters = list(root.filters)
        self._level, self._disabled, self._switched_off = root.level, root.disabled, root.manager.disable
        self._silent = {name for name, one in _loggers().items() if one.disabled}
        self._known = frozenset(_loggers())
        self._lock = threading.Lock()
        self._records = _PackageRecords()
        for handler in self._handlers:
            handler.addFilter(self._records)
        for name in _CHANGES:
            setattr(root, name, _unless_package(getattr(root, name)))

    def hide(self, *secrets: str) -> None:
        """Show these texts as ``***`` in what the package logs."""
        self._records.secrets = tuple(secret for secret in secrets if secret)

    def restore(self) -> bool:
        """Put the root logger back, and the loggers that were silenced; answers whether anything had been changed."""
        root = self._root
        with self._lock:
            silenced = [one for name, one in _loggers().items() if one.disabled and name in self._known - self._silent]
            now = (root.handlers, root.filters, root.level, root.disabled, root.manager.disable)
            if now == (self._handlers, self._filters, self._level, self._disabled, self._switched_off) and not silenced:
                return False
            root.handlers[:] = self._handlers
            root.filters[:] = self._filters
            root.disabled = self._disabled
            root.manager.disable = self._switched_off
            # By the class, as this may be a thread of the package; last, as it also empties what loggers remember of the rest.
            logging.Logger.setLevel(root, self._level)
            for one in silenced:
                one.disabled = False
            return True

    def close(self) -> None:
        """Put everything back and watch no longer."""
        for name in _CHANGES:
            vars(self._root).pop(name, None)
        self.restore()
        for handler in self._handlers:
            handler.removeFilter(self._records)


def _unless_package(change: Callable[[Any], None]) -> Callable[[Any], None]:
    def change_unless_package(what: Any) -> None:
        if not threading.current_thread().name.startswith(THREAD_NAME):
            change(what)

    return change_unless_package


def _loggers() -> dict[str, logging.Logger]:
    """Every logger that was asked for by name; the places between dots that nobody asked for are none."""
    known = dict(logging.getLogger().manager.loggerDict)
    return {name: one for name, one in known.items() if isinstance(one, logging.Logger)}
