"""The copy processes: started when first needed, kept, fed with batches, ended with this process."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dmioc
from dmioc.localdm.transfers.priority import COPY_NICENESS, make_way

logger = logging.getLogger(__name__)

_WORKER = """
import sys
sys.path.append(sys.argv[1])
from dmioc.localdm.copying.worker import main
main(int(sys.argv[2]))
"""
_PACKAGES = str(Path(dmioc.__file__).parents[1])
_LINE_LIMIT_BYTES = 64 << 20
_MAX_BATCHES = 4
_MAX_BYTES = 64 << 20
_END_S = 5.0


class WorkerLostError(Exception):
    """The copy process ended before it answered."""


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What one batch asks for; the fields are those of the line in `dmioc.localdm.copying.batches`, which explains them."""

    source: str
    target: str
    staging: str
    tree: bool
    transfer: bool
    checksum: bool
    sync_names: bool
    files: tuple[tuple[str, int, int, str], ...]

    def line(self, number: int) -> bytes:
        """The request as the process reads it."""
        fields = {
            "batch": number,
            "source": self.source,
            "target": self.target,
            "staging": self.staging,
            "tree": self.tree,
            "transfer": self.transfer,
            "checksum": self.checksum,
            "sync_names": self.sync_names,
            "files": self.files,
        }
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


class Worker:
    """One copy process and the batches it has in hand."""

    def __init__(self, process: asyncio.subprocess.Process, on_room: Callable[[], None]) -> None:
        self._process = process
        self._on_room = on_room
        self._answers: dict[int, asyncio.Future[list[tuple[str, str]]]] = {}
        self._size_bytes: dict[int, int] = {}
        self._numbers = itertools.count()
        self.batches = 0
        self.bytes = 0
        self.lost = False

    @property
    def is_free(self) -> bool:
        """Whether it should be given another batch: it has the next one at hand, but none behind a large file."""
        return self.batches < _MAX_BATCHES and self.bytes < _MAX_BYTES

    async def copy(self, request: CopyRequest, size_bytes: int) -> list[tuple[str, str]]:
        """Outcome and text of each file, in order; raises `WorkerLostError`."""
        if self.lost or self._process.stdin is None:
            raise WorkerLostError
        number = next(self._numbers)
        answer: asyncio.Future[list[tuple[str, str]]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._size_bytes[number] = size_bytes
        self.bytes += size_bytes
        try:
            self._process.stdin.write(request.line(number))
            await self._process.stdin.drain()
            return await answer
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerLostError from None
        finally:
            self._answers.pop(number, None)
            self._copied(number)

    def _copied(self, number: int) -> None:
        self.bytes -= self._size_bytes.pop(number, 0)

    async def read_answers(self) -> None:
        """Hand out the answers until the process ends; then its batches are lost."""
        try:
            if self._process.stdout is not None:
                async for line in self._process.stdout:
                    self._hand_out(json.loads(line))
        finally:
            self.lost = True
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(WorkerLostError())

    def _hand_out(self, message: dict[str, Any]) -> None:
        if "results" not in message:
            self._copied(message["batch"])
            self._on_room()
            return
        answer = self._answers.get(message["batch"])
        if answer is not None and not answer.done():
            answer.set_result([(outcome, text) for outcome, text in message["results"]])

    def kill(self) -> None:
        """End the process at once."""
        self.lost = True
        if self._process.returncode is None:
            self._process.kill()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def wait(self) -> None:
        """Wait for the end of the process."""
        await self._process.wait()


class CopyPool:
    """A bounded number of copy processes, shared fairly: batches are given out in the order of their asking."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._workers: list[Worker] = []
        self._lost: list[Worker] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    async def slot(self) -> Worker:
        """A process that can take a batch now; give it back with `release`. Waits in line for one."""
        while True:
            await self._start_missing()
            free = [worker for worker in self._workers if worker.is_free and not worker.lost]
            if free:
                worker = min(free, key=lambda worker: (worker.bytes, worker.batches))
                worker.batches += 1
                if len(free) > 1 or worker.is_free:
                    self._wake()
                return worker
            await self._wait_in_line()

    async def _wait_in_line(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # the turn was given to this one, who no longer wants it
            raise

    def release(self, worker: Worker) -> None:
        """The batch is over, or was not needed."""
        worker.batches -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _start_missing(self) -> None:
        if self._starting is None or self._starting.done():
            missing = self._count_missing()
            if missing == 0:
                return
            # A task of the pool's own: of a process whose starting is cancelled twice asyncio lets go without its end.
            self._starting = asyncio.create_task(self._start_workers(missing), name="copy-pool-start")
        await asyncio.shield(self._starting)

    def _count_missing(self) -> int:
        # A lost one is kept until its process has ended: the loop must not close before.
        self._lost = [worker for worker in (*self._lost, *self._workers) if worker.lost and not worker.ended]
        self._workers = [worker for worker in self._workers if not worker.lost]
        return 0 if self._closed else self._size - len(self._workers)

    async def _start_workers(self, count: int) -> None:
        started = await asyncio.gather(*(self._start_worker() for _ in range(count)), return_exceptions=True)
        for problem in started:
            if problem is not None:
                raise problem

    async def warm(self) -> None:
        """Start the processes before the first batch."""
        await self._start_missing()

    async def _start_worker(self) -> None:
        # -I -S: nothing of this process's environment, and site-packages are not looked through: the worker needs the
        # standard library and a folder of ours.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _WORKER, _PACKAGES, str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LINE_LIMIT_BYTES,
        )
        worker = Worker(process, self._wake)
        self._workers.append(worker)
        make_way(process.pid, COPY_NICENESS)
        reader = asyncio.create_task(worker.read_answers(), name="copy-answers")
        self._readers.add(reader)
        reader.add_done_callback(lambda done: self._worker_ended(worker, done))

    def _worker_ended(self, worker: Worker, reader: asyncio.Task[None]) -> None:
        self._readers.discard(reader)
        if not reader.cancelled() and (problem := reader.exception()) is not None:
            worker.kill()
            logger.error("a copy process answered nonsense and was ended: %s", problem)
        self._wake()

    async def close(self) -> None:
        """End all processes at once; what they have in hand is lost."""
        self._closed = True
        if self._starting is not None:
            await asyncio.wait([self._starting], timeout=_END_S)
        for worker in self._workers:
            worker.kill()
        workers = [*self._workers, *self._lost]
        if workers:
            await asyncio.wait([asyncio.create_task(worker.wait()) for worker in workers], timeout=_END_S)
        if self._readers:
            await asyncio.wait(set(self._readers), timeout=_END_S)
