"""Stages as processes of this machine: a shell in a session of its own for each command."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import IO

from dmioc.localdm.workflows import process_groups
from dmioc.localdm.workflows.executor import Output, StageCommand

JOB_ID_VARIABLE = "DM_JOB_ID"

_LOG = logging.getLogger(__name__)
_CHECK_PERIOD_S = 0.02
_DEATH_LIMIT_S = 0.5
_READ_BUDGET_BYTES = 8_388_608
_READ_PAUSE_S = 0.05


class LocalExecutor:
    """Runs commands through ``/bin/sh -c``, without input, each in a session and process group of its own.

    The commands run as the user of localdm, whatever ``userAccount`` a workflow names.
    """

    def __init__(self, output_drain_s: float) -> None:
        self._output_drain_s = output_drain_s

    async def start(self, command: StageCommand, out: Output, err: Output) -> LocalCommand:
        """Start a command (`StageExecutor.start`)."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", command.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.working_directory,
            env={**os.environ, **command.environment, JOB_ID_VARIABLE: command.job_id},
            start_new_session=True,
        )
        running = LocalCommand(process, self._output_drain_s)
        try:
            await running.attach(out, err)
        except asyncio.CancelledError:
            await running.end(0.0)
            raise
        return running

    def end_leftovers(self, handles: Mapping[str, Sequence[str]]) -> int:
        """Kill the process groups that the handles name, and every process that carries one of the job ids.

        Looks again until none is left, since a process may fork while it is being killed.
        """
        groups = {group for texts in handles.values() for group in map(_living_group, texts) if group is not None}
        killed: set[int] = set()
        deadline_s = time.monotonic() + _DEATH_LIMIT_S
        while handles and (found := _leftovers(groups, handles)):
            for pid in found:
                process_groups.kill_process(pid)
            killed.update(found)
            if time.monotonic() >= deadline_s:
                _LOG.warning("pids=%s did not end", found)
                break
            time.sleep(_CHECK_PERIOD_S)
        return len(killed)


def _leftovers(groups: Container[int], job_ids: Container[str | None]) -> list[int]:
    """Living processes that are in one of the groups or carry one of the job ids, without localdm itself."""
    return [
        entry.pid
        for entry in process_groups.processes()
        if entry.pid != os.getpid()
        and (entry.group in groups or process_groups.environment_value(entry.pid, JOB_ID_VARIABLE) in job_ids)
    ]


def _living_group(handle: str) -> int | None:
    pid, _, start_ticks = handle.partition(":")
    leader = process_groups.process(int(pid))
    return leader.group if leader is not None and str(leader.start_ticks) == start_ticks else None


class LocalCommand:
    """A shell and everything in its process group (`RunningCommand`)."""

    def __init__(self, process: subprocess.Popen[bytes], output_drain_s: float) -> None:
        self._process = process
        self._group = process.pid
        self._output_drain_s = output_drain_s
        self._readers: list[_PipeReader] = []
        leader = process_groups.process(process.pid)
        self._start_ticks = leader.start_ticks if leader is not None else 0

    @property
    def handle(self) -> str:
        """Process number and start time, which together never come again."""
        return f"{self._group}:{self._start_ticks}"

    @property
    def left_something(self) -> bool:
        """Whether the process group holds anything."""
        return process_groups.has_members(self._group)

    async def attach(self, out: Output, err: Output) -> None:
        """Begin to read what the process prints."""
        for pipe, take in ((self._process.stdout, out), (self._process.stderr, err)):
            if pipe is not None:
                self._readers.append(await _PipeReader.attached(pipe, take))

    async def wait(self) -> int:
        """Exit status of the shell; waits for output for the drain time only if something was left in background."""
        status = await _exit_status(self._process)
        await asyncio.wait([reader.ended for reader in self._readers], timeout=self._output_drain_s)
        if not self.left_something:
            self._close_readers()
        return status

    async def end(self, grace_s: float) -> int:
        """SIGTERM to the group, SIGKILL after the grace; always lets go of the pipes."""
        if self._group_is_own():
            process_groups.terminate_group(self._group)
            if not await self._gone_within(grace_s):
                self.kill()
                await self._gone_within(_DEATH_LIMIT_S)
        self._close_readers()
        status = self._process.poll()
        return -signal.SIGKILL if status is None else status

    def kill(self) -> None:
        """SIGKILL to the group."""
        if self._group_is_own():
            process_groups.kill_group(self._group)

    def _group_is_own(self) -> bool:
        # A process number comes again when its group is empty; a living leader after ours was reaped is a stranger.
        return self._process.returncode is None or process_groups.process(self._group) is None

    def _close_readers(self) -> None:
        for reader in self._readers:
            reader.close()

    async def _gone_within(self, limit_s: float) -> bool:
        deadline_s = time.monotonic() + limit_s
        while True:
            self._process.poll()
            if not self.left_something or not await asyncio.to_thread(process_groups.has_living_members, self._group):
                self._process.poll()
                return True
            if time.monotonic() >= deadline_s:
                return False
            await asyncio.sleep(_CHECK_PERIOD_S)


async def _exit_status(process: subprocess.Popen[bytes]) -> int:
    open_pidfd: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
    try:
        descriptor = open_pidfd(process.pid) if open_pidfd is not None else None
    except OSError:  # an old kernel, or no descriptors left
        descriptor = None
    if descriptor is None:
        while (status := process.poll()) is None:
            await asyncio.sleep(_CHECK_PERIOD_S)
        return status
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


class _PipeReader(asyncio.Protocol):
    """Hands on what comes through a pipe, at a pace that leaves the event loop to others."""

    def __init__(self, take: Output) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._budget_bytes = _READ_BUDGET_BYTES
        self._transport: asyncio.ReadTransport | None = None
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def attached(cls, pipe: IO[bytes], take: Output) -> _PipeReader:
        reader = cls(take)
        reader._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: reader, pipe)
        return reader

    def data_received(self, data: bytes) -> None:
        self._take(data)
        self._budget_bytes -= len(data)
        if self._budget_bytes <= 0 and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(_READ_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._budget_bytes = _READ_BUDGET_BYTES
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
