"""Monitors: what waits for one client, and when it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import caproto as ca

from dmioc.serve.ca.channels import Channel
from dmioc.serve.ca.samples import Answer, Sample

CHUNK_BYTES = 2**16
_WAITING_TEXT_BYTES = 2**14
"""Most text of one PV that waits for a client that does not read."""

AnswerFor = Callable[[Sample, int, int], Answer]
"""What a client gets of a sample, by DBR type and count: the value, or an error if it may not read."""


class Subscription:
    """One client's monitor of one channel.

    Attributes:
        mask: DBE bits of the events that it wants.
        waiting: samples that were not sent yet; the oldest fall out.
    """

    __slots__ = ("_answer", "_count", "_data_type", "_id", "_queue", "mask", "waiting")

    def __init__(self, queue: EventQueue, channel: Channel, request: ca.EventAddRequest, answer: AnswerFor) -> None:
        self._queue = queue
        self._answer = answer
        self._data_type = request.header.data_type
        self._count = request.header.data_count
        self._id = request.header.parameter2
        self.mask = request.mask
        self.waiting: deque[Sample] = deque(
            maxlen=max(1, min(queue.backlog, _WAITING_TEXT_BYTES // channel.max_length))
        )

    def take(self, sample: Sample) -> None:
        """Let the client have the sample soon."""
        self.waiting.append(sample)
        self._queue.add(self)

    def messages(self) -> list[ca.Message]:
        """What waits, taken away."""
        messages = [self._message(sample) for sample in self.waiting]
        self.waiting.clear()
        return messages

    def _message(self, sample: Sample) -> ca.Message:
        answer = self._answer(sample, self._data_type, self._count)
        return ca.EventAddResponse(
            answer.data, self._data_type, answer.elements, answer.status, self._id, metadata=answer.metadata
        )


class EventQueue:
    """What waits for one client besides the answers to its requests: the updates of its monitors, and late answers.

    While the client does not read or has turned events off, the newest updates of each subscription wait, up to the backlog;
    nobody else is held up, and there is nothing that could overflow.

    Attributes:
        backlog: most updates of one subscription that wait.
        is_held: whether the client turned events off.
    """

    def __init__(self, backlog: int) -> None:
        self.backlog = backlog
        self.is_held = False
        self._due: dict[Subscription, None] = {}
        self._late: list[ca.Message] = []
        self._is_something = asyncio.Event()

    def add(self, subscription: Subscription) -> None:
        """Send what waits for the subscription soon."""
        self._due[subscription] = None
        if not self.is_held:
            self._is_something.set()

    def answer(self, *messages: ca.Message) -> None:
        """Send messages after the updates that are due now."""
        self._late.extend(messages)
        self._is_something.set()

    def discard(self, subscription: Subscription) -> None:
        """Send nothing more to the subscription."""
        subscription.waiting.clear()
        self._due.pop(subscription, None)

    def release(self) -> None:
        """Send what waited while events were off."""
        self.is_held = False
        self._is_something.set()

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._is_something.wait()

    def take(self) -> list[ca.Message]:
        """What is to be sent next, about a chunk at most; nothing when all was taken."""
        messages: list[ca.Message] = []
        size_bytes = 0
        while self._due and not self.is_held and size_bytes < CHUNK_BYTES:
            subscription = next(iter(self._due))
            del self._due[subscription]
            updates = subscription.messages()
            size_bytes += sum(update.header.payload_size for update in updates)
            messages.extend(updates)
        if self.is_held or not self._due:
            messages.extend(self._late)
            self._late.clear()
            self._is_something.clear()
        return messages
