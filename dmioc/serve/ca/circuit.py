"""One client's connection: what it asks for, and the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import caproto as ca
from caproto import AccessRights, CAStatus
from caproto.asyncio.server import VirtualCircuit
from caproto.server.common import DisconnectedCircuit

from dmioc.engine.puts import CommandState, Origin, Outcome
from dmioc.errors import DmiocError
from dmioc.serve.ca.attachments import Attachment
from dmioc.serve.ca.channels import NORMAL, status_code
from dmioc.serve.ca.connection import Connection
from dmioc.serve.ca.events import CHUNK_BYTES, EventQueue, Subscription
from dmioc.serve.ca.raw import raw_value

if TYPE_CHECKING:
    from dmioc.catalogue import Raw
    from dmioc.serve.ca.context import ServerContext

_log = logging.getLogger(__name__)

_READ_BYTES = 2**13
_REASON_CHARACTERS = 400
_NO_WRITE_ACCESS = status_code(CAStatus.ECA_NOWTACCESS)
_PUT_FAILED = status_code(CAStatus.ECA_PUTFAIL)
_BAD_TYPE = status_code(CAStatus.ECA_BADTYPE)

Put = ca.WriteRequest | ca.WriteNotifyRequest


class Circuit(VirtualCircuit):
    """caproto's circuit without its queues.

    caproto hands each request from task to task, waits with each get until a pending put has ended or a millisecond is over,
    and sends the monitors of all clients from one loop that the slowest client stops (``epics-notes.md §3.1, §3.6``). Here a
    request is answered where it was read, a put goes to the engine and is answered when the engine has the answer, and the
    monitors of each client have their own `EventQueue`. While a client does not read, nothing is read from it.
    """

    client: Connection
    context: ServerContext

    def __init__(self, circuit: ca.VirtualCircuit, client: Connection, context: ServerContext) -> None:
        super().__init__(circuit, client, context)
        self.log = _log
        self.client_hostname = circuit.address[0]  # who asks is judged by its address, not by its word
        self.client_username = ""
        self.events = EventQueue(context.backlog)
        self._attachments: dict[int, Attachment] = {}
        self._subscription_owners: dict[int, Attachment] = {}
        self._handlers: dict[type[ca.Message], Callable[[Any], Sequence[ca.Message]]] = {
            ca.ReadNotifyRequest: self._read_notify,
            ca.ReadRequest: self._plain_read,
            ca.WriteRequest: self._write,
            ca.WriteNotifyRequest: self._write,
            ca.EventAddRequest: self._event_add,
            ca.EventCancelRequest: self._event_cancel,
            ca.EventsOffRequest: self._events_off,
            ca.EventsOnRequest: self._events_on,
            ca.ClearChannelRequest: self._clear_channel,
            ca.HostNameRequest: lambda _: (),
            ca.ReadSyncRequest: lambda _: (),  # only from clients older than the version that is answered
        }

    async def run(self) -> None:
        """Begin to send monitors; caproto then calls `recv` until the client is gone."""
        self.tasks.create(self.subscription_queue_loop())

    async def recv(self) -> None:
        """Read once from the client and answer what came.

        Raises `DisconnectedCircuit` when the client is gone, and whatever caproto raises for what is no Channel Access.
        """
        data = await self.client.recv(_READ_BYTES)
        if not data:
            raise DisconnectedCircuit
        commands, _ = self.circuit.recv(data)
        answers: list[ca.Message] = []
        size_bytes = 0
        for command in commands:
            self.circuit.process_command(command)
            for answer in await self._process_command(command):
                answers.append(answer)
                size_bytes += answer.header.payload_size
            if size_bytes > CHUNK_BYTES:
                await self.send(*answers)
                answers.clear()
                size_bytes = 0
        if answers:
            await self.send(*answers)
        if len(data) == _READ_BYTES:
            await asyncio.sleep(0)  # the others have their turn

    async def subscription_queue_loop(self) -> None:
        """Send the monitors and late answers of this client until it is gone; `recv` sees that it is.

        The supervisor of this task: whatever goes wrong for one client ends its circuit and nothing else.
        """
        try:
            while True:
                await self.events.wait()
                if messages := self.events.take():
                    await self.send(*messages)
        except DisconnectedCircuit as error:
            _log.debug("client %s:%d is gone: %s", *self.circuit.address, error)
        except Exception as error:
            _log.error("client %s:%d: %r; its connection is closed", *self.circuit.address, error)
        finally:
            self.client.close()

    def ask_rights_again(self) -> None:
        """Tell the client where its rights changed."""
        for attachment in self._attachments.values():
            rights = attachment.channel.check_access(self.client_hostname, self.client_username)
            if rights != attachment.rights:
                attachment.rights = rights
                self.events.answer(ca.AccessRightsResponse(attachment.client_id, rights))
                for subscription in attachment.subscriptions.values():
                    subscription.take(attachment.channel.sample)

    async def _process_command(self, command: ca.Message) -> Sequence[ca.Message]:
        handler = self._handlers.get(type(command))
        if handler is not None:
            return handler(command)
        answers = await super()._process_command(command)
        if isinstance(command, ca.ClientNameRequest):
            self.ask_rights_again()
        elif isinstance(command, ca.CreateChanRequest) and isinstance(created := answers[-1], ca.CreateChanResponse):
            rights = AccessRights(answers[0].header.parameter2)
            channel, alias = self.context[command.name], self.context.alias_in(command.name)
            self._attachments[created.sid] = Attachment(channel, command.cid, rights, alias)
        return answers

    async def _send_buffers(self, *buffers: Any) -> None:
        await self.client.send(b"".join(buffers))

    async def close(self) -> None:
        """Forget the client; puts that are under way go on without it."""
        self.connected = False
        for server_id in list(self._attachments):
            self._detach(server_id)
        self.client.close()
        await self.tasks.cancel_all(wait=True)

    def _read_notify(self, request: ca.ReadNotifyRequest) -> Sequence[ca.Message]:
        head = request.header
        attachment = self._attachments[head.parameter1]
        if head.data_type not in ca.DBR_TYPES:
            return (_bad_type(request, attachment),)
        answer = attachment.answer(attachment.channel.sample, head.data_type, head.data_count)
        return (
            ca.ReadNotifyResponse(
                answer.data, head.data_type, answer.elements, answer.status, head.parameter2, metadata=answer.metadata
            ),
        )

    def _plain_read(self, request: ca.ReadRequest) -> Sequence[ca.Message]:
        head = request.header
        attachment = self._attachments[head.parameter1]
        if head.data_type not in ca.DBR_TYPES:
            return (_bad_type(request, attachment),)
        answer = attachment.answer(attachment.channel.sample, head.data_type, head.data_count)
        return (
            ca.ReadResponse(
                answer.data,
                head.data_type,
                answer.elements,
                attachment.client_id,
                head.parameter2,
                metadata=answer.metadata,
            ),
        )

    def _event_add(self, request: ca.EventAddRequest) -> Sequence[ca.Message]:
        head = request.header
        attachment = self._attachments[head.parameter1]
        if head.data_type not in ca.DBR_TYPES:
            return (_bad_type(request, attachment),)
        self._unsubscribe(head.parameter2)
        subscription = Subscription(self.events, attachment.channel, request, attachment.answer)
        self._subscription_owners[head.parameter2] = attachment
        attachment.subscriptions[head.parameter2] = subscription
        attachment.channel.subscriptions[subscription] = None
        subscription.take(attachment.channel.sample)
        return ()

    def _event_cancel(self, request: ca.EventCancelRequest) -> Sequence[ca.Message]:
        head = request.header
        self._unsubscribe(head.parameter2)
        return (ca.EventCancelResponse(head.data_type, head.parameter1, head.parameter2, head.data_count),)

    def _unsubscribe(self, subscription_id: int) -> None:
        attachment = self._subscription_owners.pop(subscription_id, None)
        if attachment is not None:
            subscription = attachment.subscriptions.pop(subscription_id)
            self.events.discard(subscription)
            attachment.channel.subscriptions.pop(subscription)

    def _events_off(self, _: ca.EventsOffRequest) -> Sequence[ca.Message]:
        self.events.is_held = True
        return ()

    def _events_on(self, _: ca.EventsOnRequest) -> Sequence[ca.Message]:
        self.events.release()
        return ()

    def _clear_channel(self, request: ca.ClearChannelRequest) -> Sequence[ca.Message]:
        self._detach(request.sid)
        return (ca.ClearChannelResponse(request.sid, request.cid),)

    def _detach(self, server_id: int) -> None:
        attachment = self._attachments.pop(server_id)
        for subscription_id in list(attachment.subscriptions):
            self._unsubscribe(subscription_id)

    def _write(self, request: Put) -> Sequence[ca.Message]:
        attachment = self._attachments[request.header.parameter1]
        pv = attachment.channel.pv
        origin = Origin("ca", self.client_username, self.client_hostname, attachment.alias)
        try:
            raw = raw_value(pv, request)
        except DmiocError as error:
            return self._refused(request, attachment, origin, str(error))
        if AccessRights.WRITE not in attachment.rights:
            return self._refused(request, attachment, origin, "", raw)
        future = self.context.engine.put(pv.name, raw, origin)
        if future.done():
            self.events.answer(*self._ended(request, future))
            return self.events.take()  # the updates that the put caused come first
        future.add_done_callback(
            partial(self._ended_later, request) if isinstance(request, ca.WriteNotifyRequest) else _outcome
        )
        return ()

    def _refused(
        self, request: Put, attachment: Attachment, origin: Origin, reason: str, raw: Raw = ""
    ) -> Sequence[ca.Message]:
        """Refuse a put without the engine, which takes note of it."""
        name = attachment.channel.name
        may_write = AccessRights.WRITE in attachment.rights
        reason = self.context.engine.refused(
            name.removeprefix(self.context.prefix), raw, origin, reason or f"{name} cannot be written by {origin}"
        )
        return self._put_answer(request, _PUT_FAILED if may_write else _NO_WRITE_ACCESS, reason)

    def _ended(self, request: Put, future: asyncio.Future[Outcome]) -> Sequence[ca.Message]:
        outcome = _outcome(future)
        failure = _NO_WRITE_ACCESS if outcome.is_denied else _PUT_FAILED
        return self._put_answer(request, NORMAL if outcome.is_ok else failure, outcome.message)

    def _ended_later(self, request: Put, future: asyncio.Future[Outcome]) -> None:
        answers = self._ended(request, future)
        if self.connected and request.header.parameter1 in self._attachments:
            self.events.answer(*answers)

    def _put_answer(self, request: Put, status: int, reason: str) -> Sequence[ca.Message]:
        """Tell the client how its put ended; a plain one only if it failed, with the reason."""
        head = request.header
        if isinstance(request, ca.WriteNotifyRequest):
            return (ca.WriteNotifyResponse(head.data_type, head.data_count, status, head.parameter2),)
        if status == NORMAL:
            return ()
        client_id = self._attachments[head.parameter1].client_id
        return (ca.ErrorResponse(request, client_id, status, reason[:_REASON_CHARACTERS]),)


def _bad_type(request: ca.Message, attachment: Attachment) -> ca.Message:
    reason = f"there is no DBR type {request.header.data_type}"
    return ca.ErrorResponse(request, attachment.client_id, _BAD_TYPE, reason)


def _outcome(future: asyncio.Future[Outcome]) -> Outcome:
    """How a put ended; one that broke counts as failed and is logged, so that nobody else need look."""
    if future.cancelled():
        return Outcome(CommandState.INTERRUPTED, "the put was cancelled")
    error = future.exception()
    if error is not None:
        _log.error("a put broke: %r", error)
        return Outcome(CommandState.FAILED, str(error))
    return future.result()
