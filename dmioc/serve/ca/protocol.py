"""caproto's circuit without I/O, and what it needs to serve any client."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import caproto as ca

PAYLOAD_LIMIT_BYTES = 2**23
"""Most that one message may hold."""

CHANNEL_LIMIT = 50_000
"""Most channels of one circuit: caproto has 65,536 numbers for them and looks for a free one for ever."""

_REQUESTS: tuple[type[ca.Message], ...] = (
    *(ca.VersionRequest, ca.HostNameRequest, ca.ClientNameRequest, ca.EchoRequest, ca.ReadSyncRequest),
    *(ca.SearchRequest, ca.CreateChanRequest, ca.ClearChannelRequest),
    *(ca.ReadRequest, ca.ReadNotifyRequest, ca.WriteRequest, ca.WriteNotifyRequest),
    *(ca.EventAddRequest, ca.EventCancelRequest, ca.EventsOffRequest, ca.EventsOnRequest),
)
_COMMANDS = frozenset(request.ID for request in _REQUESTS)
_OF_A_CHANNEL = frozenset(
    {
        *(ca.ClearChannelRequest, ca.ReadRequest, ca.ReadNotifyRequest, ca.WriteRequest, ca.WriteNotifyRequest),
        *(ca.EventAddRequest, ca.EventCancelRequest),
    }
)
_WITH_STATE = frozenset(
    {
        *(ca.VersionRequest, ca.VersionResponse, ca.HostNameRequest, ca.ClientNameRequest),
        *(ca.CreateChanRequest, ca.CreateChanResponse, ca.CreateChFailResponse),
    }
)
_FILTER = re.compile(r"[{\[]")


class ProtocolError(Exception):
    """What came is not Channel Access; the connection cannot go on."""


class CircuitProtocol(ca.VirtualCircuit):
    """caproto's parser, serialiser and state of one circuit.

    caproto checks each message against tables of states, looks for the channel by the number of the request, which two pending
    puts may share, forgets neither the requests of cleared channels nor those of channels that do not exist, and takes any
    length for granted. Here the tables rule what opens a circuit and a channel; everything else needs a channel that is
    open, and nothing else is remembered.
    """

    def send(self, *commands: ca.Message) -> list[Any]:
        """The messages as buffers."""
        buffers: list[Any] = []
        for command in commands:
            self._process_command(self.our_role, command)
            buffers.append(command.header)
            buffers.extend(command.buffers)
        return buffers

    def recv(self, *buffers: bytes) -> tuple[deque[ca.Message], int]:
        """The messages that are whole, and how many bytes the next one lacks.

        Raises `ProtocolError` for a message that no client sends or that is too long, as soon as its header is there.
        """
        commands, needed_bytes = super().recv(*buffers)
        if len(self._data) >= 2 and int.from_bytes(self._data[:2], "big") not in _COMMANDS:
            raise ProtocolError(f"command {int.from_bytes(self._data[:2], 'big')} is none that a client sends")
        if needed_bytes > PAYLOAD_LIMIT_BYTES:
            raise ProtocolError(f"a message of over {PAYLOAD_LIMIT_BYTES} bytes")
        return commands, needed_bytes

    def _process_command(self, role: ca.Role, command: ca.Message) -> None:
        kind = type(command)
        if kind in _OF_A_CHANNEL:
            server_id = command.header.parameter1
            if server_id not in self.channels_sid:
                raise ProtocolError(f"a {kind.__name__} for channel {server_id}, which does not exist")
        elif kind in _WITH_STATE:
            self._check_state(role, command)
        elif isinstance(command, ca.ClearChannelResponse):
            channel = self.channels_sid.pop(command.sid)
            if self.channels.get(channel.cid) is channel:
                del self.channels[channel.cid]

    def _check_state(self, role: ca.Role, command: ca.Message) -> None:
        if isinstance(command, ca.CreateChanRequest):
            if len(self.channels_sid) >= CHANNEL_LIMIT:
                raise ProtocolError(f"more than {CHANNEL_LIMIT} channels")
            # Whatever had the client's number keeps ours. Filters are not served, and caproto raises for one that it cannot read.
            ca.ServerChannel(_FILTER.split(command.name, maxsplit=1)[0], self, command.cid)
        super()._process_command(role, command)
        if isinstance(command, ca.CreateChFailResponse):
            del self.channels[command.cid]
