"""The record of one processing job and what happens to it (``dm-protocol.md §6.5``)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from dmioc.localdm.wire import local_timestamp
from dmioc.localdm.workflows.outputs import OutputTail, left_out_line
from dmioc.localdm.workflows.record_shapes import FINISHED, new_child
from dmioc.localdm.workflows.stage_keys import Document

_SUMMARY_TEXT_CHARACTERS = 400
_MAX_CHILDREN_OF_A_STAGE = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job record at one moment, as it is stored.

    ``summary`` is JSON of the top-level keys with short simple values, ``others`` names the remaining ones,
    ``document`` is JSON of everything. ``handles`` name the commands at work (`RunningCommand.handle`).
    """

    sequence: int
    id: str
    owner: str
    status: str
    handles: tuple[str, ...]
    summary: bytes
    others: tuple[str, ...]
    document: bytes


@dataclass(slots=True)
class _Child:
    stage: str
    entry: Document
    out: OutputTail
    err: OutputTail
    handle: str = ""
    shown_bytes: int = -1


class JobRecord:
    """One job: changed in the event loop only, read (`snapshot`) from any thread.

    ``changed`` is called after each change that has to be stored; output alone is none.
    """

    def __init__(self, sequence: int, document: Document, max_output_bytes: int, max_job_output_bytes: int) -> None:
        self.sequence = sequence
        self.id: str = document["id"]
        self.owner: str = document["owner"]
        self.changed: Callable[[JobRecord], None] = lambda _record: None
        self._document = document
        self._max_output_bytes = max_output_bytes
        self._output_budget_bytes = max_job_output_bytes
        self._ended_children: deque[_Child] = deque()
        self._children: dict[int, _Child] = {}
        self._next_child = 0
        self._revision = 0
        self._lock = threading.Lock()
        self._cached: tuple[int, Snapshot] | None = None

    @property
    def status(self) -> str:
        """DM's word for the state of the job (``§4.5``)."""
        return self._document["status"]

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self.status in FINISHED

    @property
    def document(self) -> Mapping[str, Any]:
        """The record itself, for reading in the event loop; outputs of processes at work may lag behind."""
        return self._document

    @property
    def stages(self) -> Mapping[str, Document]:
        """The stages as the job's copy of the workflow has them."""
        return self._document["workflow"]["stages"]

    def begin(self) -> None:
        """Set the job running."""
        now_s = time.time()
        self._set({"status": "running", "startTime": now_s, "startTimestamp": local_timestamp(now_s)})

    def set_files(self, count: int, resolved: Sequence[str] | None) -> None:
        """Note how many files the job has, and their paths when they were not given by ``filePath`` alone."""
        self._set({"countFiles": count} | ({"filePathList": list(resolved)} if resolved is not None else {}))

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Take output variables as top-level keys."""
        if variables:
            self._set(variables)

    def enter_stage(self, key: str) -> None:
        """Make a stage the current one and give it its first runtime keys."""
        stage = self.stages[key]
        with self._changing():
            self._document["stage"] = key
            stage["childProcesses"] = {}
            stage["nRunningChildProcesses"] = 0
            stage["nQueuedChildProcesses"] = 0

    def skip_stage(self, key: str) -> None:
        """Mark the current stage as skipped."""
        with self._changing():
            self.stages[key]["status"] = "skipped"

    def add_child(self, key: str, command: str, working_directory: str | None) -> int:
        """Queue a command of the current stage and answer its number in the job."""
        number = self._next_child
        self._next_child += 1
        account = self._document["workflow"].get("userAccount")
        entry = new_child(key, number, command, working_directory, account)
        tails = (OutputTail(self._max_output_bytes), OutputTail(self._max_output_bytes))
        with self._changing():
            self._children[number] = _Child(key, entry, *tails)
            _forget_oldest(self.stages[key]["childProcesses"])
            self.stages[key]["childProcesses"][str(number)] = entry
            self.stages[key]["nQueuedChildProcesses"] += 1
        return number

    def child(self, number: int) -> Mapping[str, Any]:
        """The entry of a queued or running command."""
        return self._children[number].entry

    def outputs(self, number: int) -> tuple[OutputTail, OutputTail]:
        """Where standard output and standard error of a queued or running command go."""
        child = self._children[number]
        return child.out, child.err

    def child_begins(self, number: int) -> None:
        """Set a queued command running; it is about to be started."""
        child = self._children[number]
        with self._changing():
            child.entry["status"] = "running"
            child.entry["startTime"] = time.time()
            self._count(child, "nQueuedChildProcesses", -1)
            self._count(child, "nRunningChildProcesses", 1)

    def child_started(self, number: int, handle: str) -> None:
        """Note by which handle a later life of the service can end the command."""
        with self._changing():
            self._children[number].handle = handle

    def child_ended(self, number: int, status: str, exit_status: int) -> None:
        """Note the end of a running command: ``done``, ``failed`` or ``aborted``."""
        with self._changing():
            child = self._children.pop(number)
            now_s = time.time()
            child.entry.update(
                status=status, endTime=now_s, runTime=now_s - child.entry["startTime"], exitStatus=exit_status
            )
            self._count(child, "nRunningChildProcesses", -1)
            if status != "aborted":
                self._count(child, "nCompletedChildProcesses" if status == "done" else "nFailedChildProcesses", 1)
            self._show_output(child)
            self._keep_within_budget(child)

    def set_aborting(self) -> None:
        """Note that the job is about to be ended."""
        self._set({"status": "aborting"})

    def finish(self, status: str, error: str = "") -> None:
        """End the job; commands that were still queued will not run."""
        with self._lock:
            waiting = [number for number, child in self._children.items() if child.entry["status"] == "pending"]
            for child in map(self._children.pop, waiting):
                child.entry["status"] = "aborted"
                self._count(child, "nQueuedChildProcesses", -1)
        now_s = time.time()
        keys: Document = {"status": status, "endTime": now_s, "endTimestamp": local_timestamp(now_s)}
        if "startTime" in self._document:
            keys["runTime"] = now_s - self._document["startTime"]
        self._set(keys | ({"errorMessage": error} if error else {}))

    def interrupt(self, error: str) -> None:
        """End the job of an earlier life, whose commands nobody knows the end of."""
        with self._lock:
            for stage in self.stages.values():
                for child in stage.get("childProcesses", {}).values():
                    if child["status"] in ("running", "pending"):
                        child["status"] = "failed" if child["status"] == "running" else "aborted"
                if "childProcesses" in stage:
                    stage.update(nRunningChildProcesses=0, nQueuedChildProcesses=0)
        self.finish("failed", error)

    def snapshot(self) -> Snapshot:
        """The record at this moment with all that was printed so far; may be called from any thread."""
        with self._lock:
            for child in self._children.values():
                self._show_output(child)
            if self._cached is None or self._cached[0] != self._revision:
                self._cached = (self._revision, self._made_snapshot())
            return self._cached[1]

    def view(self) -> Document:
        """A copy of the record at this moment."""
        return msgspec.json.decode(self.snapshot().document)

    def _made_snapshot(self) -> Snapshot:
        simple = {key: value for key, value in self._document.items() if _is_simple(value)}
        return Snapshot(
            self.sequence,
            self.id,
            self.owner,
            self.status,
            tuple(child.handle for child in self._children.values() if child.handle),
            msgspec.json.encode(simple),
            tuple(key for key in self._document if key not in simple),
            msgspec.json.encode(self._document),
        )

    def _show_output(self, child: _Child) -> None:
        printed_bytes = child.out.total_bytes + child.err.total_bytes
        if printed_bytes != child.shown_bytes:
            child.entry["stdOut"], child.entry["stdErr"] = child.out.text(), child.err.text()
            child.shown_bytes = printed_bytes
            self._revision += 1

    def _keep_within_budget(self, ended: _Child) -> None:
        self._ended_children.append(ended)
        self._output_budget_bytes -= len(ended.entry["stdOut"]) + len(ended.entry["stdErr"])
        while self._output_budget_bytes < 0 and len(self._ended_children) > 1:
            entry = self._ended_children.popleft().entry
            for key in ("stdOut", "stdErr"):
                if entry[key]:
                    self._output_budget_bytes += len(entry[key])
                    entry[key] = left_out_line(len(entry[key].encode()))

    def _count(self, child: _Child, counter: str, step: int) -> None:
        stage = self.stages[child.stage]
        stage[counter] = stage.get(counter, 0) + step

    def _set(self, keys: Mapping[str, object]) -> None:
        with self._changing():
            self._document.update(keys)

    @contextmanager
    def _changing(self) -> Generator[None]:
        """Hold the lock during a change and tell of it afterwards."""
        with self._lock:
            yield
            self._revision += 1
        self.changed(self)


def _is_simple(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _SUMMARY_TEXT_CHARACTERS
    return value is None or isinstance(value, bool | int | float)


def _forget_oldest(children: Document) -> None:
    if len(children) < _MAX_CHILDREN_OF_A_STAGE:
        return
    for number, entry in children.items():
        if entry["status"] not in ("running", "pending"):
            del children[number]
            return
