"""Monitors: what waits for one client, and when it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dmioc.serve.ca.attachments import Attachment
from dmioc.serve.ca.channels import Channel
from dmioc.serve.ca.dbr import Sample
from dmioc.serve.ca.wire import Command, frame

CHUNK_BYTES = 2**16
_WAITING_TEXT_BYTES = 2**14
"""Most text of one PV that waits for a client that does not read."""


class Subscription:
    """One client's monitor of one channel.

    Attributes:
        mask: DBE bits of the events that it wants.
        waiting: samples that were not sent yet; the oldest fall out.
    """

    __slots__ = ("_queue", "attachment", "count", "data_type", "mask", "subscription_id", "waiting")

    def __init__(
        self, queue: EventQueue, attachment: Attachment, subscription_id: int, *, data_type: int, count: int, mask: int
    ) -> None:
        self._queue = queue
        self.attachment = attachment
        self.subscription_id = subscription_id
        self.data_type = data_type
        self.count = count
        self.mask = mask
        self.waiting: deque[Sample] = deque(maxlen=_depth(attachment.channel, queue.backlog))

    def take(self, sample: Sample) -> None:
        """Let the client have the sample soon."""
        self.waiting.append(sample)
        self._queue.add(self)

    def message(self, sample: Sample) -> bytes:
        """The sample as this client asked for it."""
        answer = self.attachment.answer(sample, self.data_type, self.count)
        return frame(
            Command.EVENT_ADD,
            answer.payload,
            data_type=self.data_type,
            count=answer.elements,
            parameter1=answer.status,
            parameter2=self.subscription_id,
        )


def _depth(channel: Channel, backlog: int) -> int:
    return max(1, min(backlog, _WAITING_TEXT_BYTES // channel.shape.count))


class EventQueue:
    """The updates that wait for one client.

    All that is published in one turn of the loop goes out in one piece at its end. While the client does not read, the newest
    samples of each subscription wait, up to the backlog, and nobody else is held up.
    """

    def __init__(self, backlog: int, send: Callable[[bytes], None]) -> None:
        self.backlog = backlog
        self._send = send
        self._due: dict[Subscription, None] = {}
        self._holds: set[str] = set()
        self._is_scheduled = False

    def add(self, subscription: Subscription) -> None:
        """Send what waits for the subscription at the end of this turn."""
        self._due[subscription] = None
        if not self._is_scheduled and not self._holds:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._end_of_turn)

    def discard(self, subscription: Subscription) -> None:
        """Send nothing more to the subscription."""
        subscription.waiting.clear()
        self._due.pop(subscription, None)

    def hold(self, reason: str) -> None:
        """Send nothing until `release` of the same reason."""
        self._holds.add(reason)

    def release(self, reason: str) -> None:
        """Send what waited, if nothing else holds it."""
        self._holds.discard(reason)
        self.flush()

    def flush(self) -> None:
        """Send now what waits."""
        pieces: list[bytes] = []
        size_bytes = 0
        while self._due and not self._holds:
            subscription = next(iter(self._due))
            del self._due[subscription]
            while subscription.waiting:
                piece = subscription.message(subscription.waiting.popleft())
                pieces.append(piece)
                size_bytes += len(piece)
            if size_bytes > CHUNK_BYTES:
                self._send(b"".join(pieces))
                pieces, size_bytes = [], 0
        if pieces:
            self._send(b"".join(pieces))

    def _end_of_turn(self) -> None:
        self._is_scheduled = False
        self.flush()
