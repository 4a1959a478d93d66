"""The thread that follows the plan's commands."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from dmioc.streaming.pva import Watch

_LOG = logging.getLogger(__name__)

BEGIN, END, ABORT = "begin", "end", "abort"
_END_S = 5.0
"""Longest wait for the thread, which only waits for news."""


class Commands:
    """The commands to one session: which was the last, and which of them have come.

    Updates of a PV can be left out when they follow each other quickly, the last never: End implies Begin.

    Args:
        watch: updates of the Command PV.
        session: the session; commands to another one are not ours.
        changed: notified at every change; guards everything here.
        on_command: called with ``changed`` held when a command has come.
    """

    def __init__(
        self, watch: Watch, session: str, changed: threading.Condition, on_command: Callable[[], None]
    ) -> None:
        self._watch = watch
        self._session = session
        self._changed = changed
        self._on_command = on_command
        self._stopping = False
        self.last = ""
        self.args: Mapping[str, object] = {}
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.aborted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream commands", daemon=True)

    @property
    def reason(self) -> str:
        """Why the session was aborted, as the plan's side says it."""
        return str(self.args.get("reason") or "the plan aborted the session")

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the subscription."""
        self._stopping = True
        self._watch.wake()
        if self._thread.is_alive():
            self._thread.join(_END_S)
        self._watch.close()

    def _run(self) -> None:
        while not self._stopping:
            self._watch.wait()
            while (update := self._watch.take()) is not None:
                self._take(update)

    def _take(self, update: Any) -> None:
        if update.get("session", "") != self._session:
            return
        word = str(update.get("command", ""))
        args = _json_object(str(update.get("args", "")))
        with self._changed:
            if (word, args) == (self.last, self.args):
                return
            self.last, self.args = word, args
            if word in (BEGIN, END):
                self.begun.set()
            if word == END:
                self.ended.set()
            if word == ABORT:
                self.aborted.set()
            self._on_command()
            self._changed.notify_all()
        _LOG.info("command %s of session %s", word or "(none)", self._session)


def _json_object(text: str) -> Mapping[str, object]:
    """The arguments of a command; what is no JSON object holds none, since no command needs any."""
    try:
        value: Any = json.loads(text or "{}")
    except json.JSONDecodeError:
        _LOG.warning("arguments of a command are no JSON: %.100s", text)
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
