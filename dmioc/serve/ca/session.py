"""What a client asks for on a circuit, and the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from struct import Struct

from caproto import CAStatus

from dmioc.engine.puts import CommandState, Origin, Outcome, Puttable
from dmioc.errors import DmiocError
from dmioc.serve.ca.attachments import Attachment, Rights
from dmioc.serve.ca.dbr import NORMAL, status_code
from dmioc.serve.ca.events import EventQueue, Subscription
from dmioc.serve.ca.names import Names
from dmioc.serve.ca.raw import raw_value
from dmioc.serve.ca.search import reply
from dmioc.serve.ca.wire import MINOR_VERSION, Command, Message, ProtocolError, frame, header, padded

_log = logging.getLogger(__name__)

_NO_WRITE_ACCESS = status_code(CAStatus.ECA_NOWTACCESS)
_PUT_FAILED = status_code(CAStatus.ECA_PUTFAIL)
_EVENT_MASK = Struct(">12xH")
_EVENTS_OFF = "the client turned events off"
_REASON_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Served:
    """What all circuits share: the channels, the engine that takes puts, who may do what, and how much may wait."""

    names: Names
    engine: Puttable
    rights: Rights
    backlog: int


class Session:
    """One client's channels and monitors; nothing in it waits for anything.

    A put is handed to the engine and its answer goes out when the engine has one; meanwhile everything else on the
    circuit goes on (``pv-contract.md §1``). Before a put is answered, the updates that it caused are sent.
    """

    def __init__(self, served: Served, host: str, tcp_port: int, send: Callable[[bytes], None]) -> None:
        self.events = EventQueue(served.backlog, send)
        self._served = served
        self._host = host
        self._user = ""
        self._tcp_port = tcp_port
        self._send = send
        self._is_open = True
        self._next_server_id = 1
        self._attachments: dict[int, Attachment] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._handlers: dict[int, Callable[[Message], None]] = {
            Command.VERSION: self._version,
            Command.EVENT_ADD: self._event_add,
            Command.EVENT_CANCEL: self._event_cancel,
            Command.READ: self._read,
            Command.WRITE: self._write,
            Command.SEARCH: self._search,
            Command.EVENTS_OFF: lambda _: self.events.hold(_EVENTS_OFF),
            Command.EVENTS_ON: lambda _: self.events.release(_EVENTS_OFF),
            Command.READ_SYNC: self._echo,
            Command.CLEAR_CHANNEL: self._clear_channel,
            Command.READ_NOTIFY: self._read,
            Command.CREATE_CHANNEL: self._create_channel,
            Command.WRITE_NOTIFY: self._write,
            Command.CLIENT_NAME: self._client_name,
            Command.HOST_NAME: lambda _: None,  # who asks is judged by its address, not by its word
            Command.ECHO: self._echo,
        }

    def take(self, message: Message) -> None:
        """Do what the message asks.

        Raises `ProtocolError` for a command that no client sends and for a channel that does not exist.
        """
        handler = self._handlers.get(message.command)
        if handler is None:
            raise ProtocolError(f"command {message.command} is none that a client sends")
        handler(message)

    def close(self) -> None:
        """Forget the client; puts that are under way go on without it."""
        self._is_open = False
        for server_id in list(self._attachments):
            self._detach(server_id)

    def ask_rights_again(self) -> None:
        """Tell the client where its rights changed."""
        for attachment in self._attachments.values():
            if attachment.ask(self._served.rights, self._user, self._host):
                self._send_rights(attachment)
                for subscription_id in attachment.subscription_ids:
                    self._subscriptions[subscription_id].take(attachment.channel.sample)

    def _version(self, message: Message) -> None:
        self._send(frame(Command.VERSION, count=MINOR_VERSION))

    def _echo(self, message: Message) -> None:
        self._send(frame(message.command, parameter1=message.parameter1, parameter2=message.parameter2))

    def _client_name(self, message: Message) -> None:
        self._user = message.text
        self.ask_rights_again()

    def _search(self, message: Message) -> None:
        answer = reply(message, self._served.names, self._tcp_port)
        if answer is not None:
            self._send(answer)

    def _create_channel(self, message: Message) -> None:
        client_id = message.parameter1
        channel = self._served.names.find(message.text)
        if channel is None:
            self._send(frame(Command.CREATE_CHANNEL_FAIL, parameter1=client_id))
            return
        attachment = Attachment(channel, client_id, self._next_server_id)
        self._next_server_id += 1
        self._attachments[attachment.server_id] = attachment
        attachment.ask(self._served.rights, self._user, self._host)
        self._send_rights(attachment)
        shape = channel.shape
        self._send(
            frame(
                Command.CREATE_CHANNEL,
                data_type=shape.native,
                count=shape.count,
                parameter1=client_id,
                parameter2=attachment.server_id,
            )
        )

    def _send_rights(self, attachment: Attachment) -> None:
        self._send(frame(Command.ACCESS_RIGHTS, parameter1=attachment.client_id, parameter2=attachment.rights))

    def _clear_channel(self, message: Message) -> None:
        self._attachment(message)
        self._detach(message.parameter1)
        self._send(frame(Command.CLEAR_CHANNEL, parameter1=message.parameter1, parameter2=message.parameter2))

    def _detach(self, server_id: int) -> None:
        attachment = self._attachments.pop(server_id)
        for subscription_id in list(attachment.subscription_ids):
            self._unsubscribe(subscription_id)

    def _unsubscribe(self, subscription_id: int) -> None:
        subscription = self._subscriptions.pop(subscription_id, None)
        if subscription is not None:
            self.events.discard(subscription)
            subscription.attachment.subscription_ids.discard(subscription_id)
            subscription.attachment.channel.subscriptions.pop(subscription, None)

    def _attachment(self, message: Message) -> Attachment:
        attachment = self._attachments.get(message.parameter1)
        if attachment is None:
            raise ProtocolError(f"command {message.command} for channel {message.parameter1}, which does not exist")
        return attachment

    def _read(self, message: Message) -> None:
        attachment = self._attachment(message)
        answer = attachment.answer(attachment.channel.sample, message.data_type, message.elements)
        is_notify = message.command == Command.READ_NOTIFY
        self._send(
            frame(
                message.command,
                answer.payload,
                data_type=message.data_type,
                count=answer.elements,
                parameter1=answer.status if is_notify else attachment.client_id,
                parameter2=message.parameter2,
            )
        )

    def _event_add(self, message: Message) -> None:
        attachment = self._attachment(message)
        if len(message.payload) < _EVENT_MASK.size:
            raise ProtocolError(f"a monitor request of {len(message.payload)} bytes")
        (mask,) = _EVENT_MASK.unpack_from(message.payload)
        subscription_id = message.parameter2
        self._unsubscribe(subscription_id)
        subscription = Subscription(
            self.events,
            attachment,
            subscription_id,
            data_type=message.data_type,
            count=message.elements,
            mask=mask,
        )
        self._subscriptions[subscription_id] = subscription
        attachment.subscription_ids.add(subscription_id)
        attachment.channel.subscriptions[subscription] = None
        subscription.take(attachment.channel.sample)

    def _event_cancel(self, message: Message) -> None:
        self._unsubscribe(message.parameter2)
        # An update without payload is the answer (EPICS base, rsrv).
        self._send(
            frame(
                Command.EVENT_ADD,
                data_type=message.data_type,
                count=message.elements,
                parameter1=message.parameter1,
                parameter2=message.parameter2,
            )
        )

    def _write(self, message: Message) -> None:
        attachment = self._attachment(message)
        answer = partial(self._answer_put, message, attachment)
        if not attachment.may_write:
            answer(_NO_WRITE_ACCESS, f"{attachment.channel.name} cannot be written by {self._user}@{self._host}")
            return
        pv = attachment.channel.pv
        try:
            raw = raw_value(pv, message.data_type, message.elements, message.payload)
            future = self._served.engine.put(pv.name, raw, Origin("ca", self._user, self._host))
        except DmiocError as error:
            answer(_PUT_FAILED, str(error))
            return
        if future.done():
            self._put_ended(answer, future)
        elif message.command == Command.WRITE_NOTIFY:
            future.add_done_callback(partial(self._put_ended, answer))
        else:
            future.add_done_callback(_outcome)

    def _put_ended(self, answer: Callable[[int, str], None], future: asyncio.Future[Outcome]) -> None:
        outcome = _outcome(future)
        answer(NORMAL if outcome.is_ok else _PUT_FAILED, outcome.message)

    def _answer_put(self, message: Message, attachment: Attachment, status: int, reason: str) -> None:
        """Tell the client how its put ended; a plain one only if it failed, with the reason."""
        if not self._is_open:
            return
        self.events.flush()
        if message.command == Command.WRITE_NOTIFY:
            self._send(
                frame(
                    Command.WRITE_NOTIFY,
                    data_type=message.data_type,
                    count=message.elements,
                    parameter1=status,
                    parameter2=message.parameter2,
                )
            )
        elif status != NORMAL:
            head = header(
                message.command,
                len(message.payload),
                data_type=message.data_type,
                count=message.elements,
                parameter1=message.parameter1,
                parameter2=message.parameter2,
            )
            payload = padded(head + reason[:_REASON_CHARACTERS].encode("utf-8") + b"\0")
            self._send(frame(Command.ERROR, payload, parameter1=attachment.client_id, parameter2=status))


def _outcome(future: asyncio.Future[Outcome]) -> Outcome:
    """How a put ended; one that broke counts as failed and is logged, so that nobody else need look."""
    if future.cancelled():
        return Outcome(CommandState.INTERRUPTED, "the put was cancelled")
    error = future.exception()
    if error is not None:
        _log.error("a put broke: %r", error)
        return Outcome(CommandState.FAILED, str(error))
    return future.result()
