"""The thread that sends run metadata from the spool to DM, by the gateway's query ``addMetadata`` (``pv-contract.md §9``)."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmioc.catalogue import Slots, station_catalogue
from dmioc.devices.json_values import json_text, shortened
from dmioc.errors import CommandFailedError, GatewayLostError, RefusedError, StateFileError

if TYPE_CHECKING:
    from dmioc.devices.metadata_spool import MetadataSpool
    from dmioc.devices.rpc import StationRpc
    from dmioc.devices.run_documents import RunRecord

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT_S = 3600.0
_AGAIN_S = 1.0
"""How soon to look again after another process was found sending, and while somebody waits."""
_NAME_IN_USE = "code 15)"
"""In DM's words for a dataset name that is in use (``dm-protocol.md §2.3``), as the gateway passes them on."""


def metadata_limit_bytes() -> int:
    """The longest JSON that the gateway's own PV for run metadata takes (``pv-contract.md §7``)."""
    return station_catalogue(Slots())["MD:JSON"].length


@dataclass(frozen=True, slots=True)
class Setback:
    """Why a run was not sent, and when it is tried again (monotonic clock)."""

    reason: str
    attempts: int
    next_s: float


class MetadataSender:
    """Sends what is in a spool, oldest first, whenever woken and again after a while.

    Args:
        rpc: asks the gateway.
        spool: what is to be sent.
        limit_bytes: longest JSON to send; `metadata_limit_bytes` when None.
        retry_period_s: after which what could not be sent is tried again; for what DM refuses it doubles each time, up to
            an hour.
    """

    def __init__(self, rpc: StationRpc, spool: MetadataSpool, limit_bytes: int | None, retry_period_s: float) -> None:
        self._rpc = rpc
        self._spool = spool
        self._limit_bytes = limit_bytes
        self._retry_period_s = retry_period_s
        self._setbacks: dict[str, Setback] = {}
        self._decided: set[str] = set()
        self._trouble = ""
        self._woken = threading.Event()
        self._stopping = False
        self._begun = self._ended = 0
        self._pass_over = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="dmioc run metadata sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Send what there is."""
        self._woken.set()

    def flush(self, deadline_s: float) -> bool:
        """Try everything at once, until a monotonic time; whether nothing is left.

        What DM refuses is tried once more; while the gateway or DM is away it is waited for.
        """
        wanted = self._begun + 1
        self._setbacks.clear()
        while time.monotonic() < deadline_s:
            self.wake()
            with self._pass_over:
                if self._pass_over.wait_for(
                    lambda: self._ended >= wanted, min(_AGAIN_S, deadline_s - time.monotonic())
                ):
                    break
        return not self._spool.names()

    def stop(self, timeout_s: float) -> None:
        """End the thread; one that waits for the gateway longer than this ends by itself, and sends nothing more."""
        self._stopping = True
        self._woken.set()
        self._thread.join(max(0.0, timeout_s))

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping:
            self._woken.wait(wait_s)
            self._woken.clear()
            if not self._stopping:
                wait_s = self._pass()

    def _pass(self) -> float:
        """Send what can be sent; answers how long to wait, unless woken (s)."""
        self._begun += 1
        number = self._begun
        try:
            with self._spool.sending() as may_send:
                if not may_send:
                    return _AGAIN_S
                self._spool.write_again()
                self._spool.adopt()
                self._send_all()
        except GatewayLostError as error:
            self._say(f"the gateway is away: {error}")
        except CommandFailedError as error:
            self._say(f"DM is away: {error}")
        except Exception:
            # The supervisor of the thread: whatever this was, what is in the spool must still be sent some time.
            _LOG.exception("bug in the sender of run metadata")
        else:
            self._say("")
            with self._pass_over:
                self._ended = number
                self._pass_over.notify_all()
        return self._retry_period_s

    def _say(self, trouble: str) -> None:
        """Log once that sending has come to a halt, and once that it goes on."""
        if bool(trouble) != bool(self._trouble):
            if trouble:
                waiting = f"{len(self._spool.names())} run(s) wait in {self._spool.directory}"
                _LOG.warning("run metadata: %s; %s", trouble, waiting)
            else:
                _LOG.warning("run metadata: %s answers again", self._rpc.prefix)
        self._trouble = trouble

    def _send_all(self) -> None:
        """Send one after the other, and look anew after each: others may have come, of other processes too."""
        while not self._stopping:
            names = self._spool.names()
            self._decide(names)
            name = next((name for name in names if self._is_due(name)), None)
            if name is None:
                return
            self._send(name)

    def _is_due(self, name: str) -> bool:
        setback = self._setbacks.get(name)
        return setback is None or setback.next_s <= time.monotonic()

    def _read(self, name: str) -> RunRecord | None:
        try:
            return self._spool.read(name)
        except StateFileError as error:
            self._set_back(name, f"{error}; the file stays where it is")
            return None

    def _decide(self, names: list[str]) -> None:
        """Write down the experiment in use for runs that name none, so that it is theirs however late they are sent."""
        in_use: str | None = None
        for name in names:
            if name in self._decided or not self._is_due(name) or (record := self._read(name)) is None:
                continue
            if not record.experiment:
                in_use = str(self._rpc.get("EXP:Name")).strip() if in_use is None else in_use
                if not in_use:
                    self._set_back(name, f"no experiment: give one to DMMetadata, or put {self._rpc.prefix}EXP:Name")
                    continue
                self._spool.change(name, replace(record, experiment=in_use))
            self._decided.add(name)

    def _send(self, name: str) -> None:
        """Send one; raises `GatewayLostError`, and `CommandFailedError` when DM's catalog is away."""
        record = self._read(name)
        if record is None:
            return
        content = record.metadata()
        text = json_text(content)
        limit_bytes = metadata_limit_bytes() if self._limit_bytes is None else self._limit_bytes
        is_whole = len(text.encode()) <= limit_bytes
        if not is_whole:
            text = json_text(shortened(content, limit_bytes, str(self._spool.whole_path(name))))
        try:
            self._add(record, text)
        except (RefusedError, CommandFailedError) as error:
            if self._rpc.get("CAT:State") == "Disconnected":
                raise CommandFailedError(str(error)) from error
            self._set_back(name, f"{record.experiment}: {error}")
            return
        self._setbacks.pop(name, None)
        self._decided.discard(name)
        if is_whole:
            self._spool.remove(name)
            return
        self._spool.set_aside(name)
        _LOG.warning(
            "run metadata: those of run %s have more than %d bytes: DM has them shortened, all of them are in %s",
            record.run_uid,
            limit_bytes,
            self._spool.whole_path(name),
        )

    def _add(self, record: RunRecord, text: str) -> None:
        """Have DM store it under the usual name, which holds 8 characters of the uid, else under one that holds all of it."""
        given = {"experiment": record.experiment, "runUid": record.run_uid, "JSON": text, "workflow": record.workflow}
        try:
            self._rpc.call("addMetadata", **given)
        except RefusedError as error:
            if _NAME_IN_USE not in str(error):
                raise
            try:
                self._rpc.call("addMetadata", **given, dataset=f"run_uid_{record.run_uid}")
            except RefusedError as second:
                # In use under the whole uid: DM has this very run.
                if _NAME_IN_USE not in str(second):
                    raise

    def _set_back(self, name: str, reason: str) -> None:
        """Leave one for later, those behind it go on; the log names it again when the reason is another."""
        before = self._setbacks.get(name)
        attempts = before.attempts if before is not None else 0
        wait_s = min(self._retry_period_s * 2**attempts, _LONGEST_WAIT_S)
        self._setbacks[name] = Setback(reason, attempts + 1, time.monotonic() + wait_s)
        if before is None or before.reason != reason:
            _LOG.error("run metadata: %s is not sent and is tried again: %s", self._spool.directory / name, reason)
