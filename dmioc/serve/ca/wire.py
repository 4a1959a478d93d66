"""Channel Access messages as bytes (EPICS base, ``caProto.h``): the header, the extended header, the commands."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

MINOR_VERSION = 13
"""We speak CA 4.13: a count of 0 asks for the elements there are."""

SEARCH_ADDRESS_OF_SENDER = 0xFFFFFFFF
SEARCH_REPLY_WANTED = 10

_HEADER = Struct(">HHHHII")
_EXTENDED = Struct(">HHHHIIII")
_IS_EXTENDED = 0xFFFF
_LAST_COMMAND = 27


class Command(IntEnum):
    """Commands of the protocol, by their names in EPICS base."""

    VERSION = 0
    EVENT_ADD = 1
    EVENT_CANCEL = 2
    READ = 3
    WRITE = 4
    SEARCH = 6
    EVENTS_OFF = 8
    EVENTS_ON = 9
    READ_SYNC = 10
    ERROR = 11
    CLEAR_CHANNEL = 12
    BEACON = 13
    NOT_FOUND = 14
    READ_NOTIFY = 15
    CREATE_CHANNEL = 18
    WRITE_NOTIFY = 19
    CLIENT_NAME = 20
    HOST_NAME = 21
    ACCESS_RIGHTS = 22
    ECHO = 23
    CREATE_CHANNEL_FAIL = 26


class Message(NamedTuple):
    """One message; what ``parameter1`` and ``parameter2`` are depends on the command."""

    command: int
    data_type: int
    elements: int
    parameter1: int
    parameter2: int
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as a name: up to the first NUL."""
        return self.payload.split(b"\0", 1)[0].decode("latin-1")


class ProtocolError(Exception):
    """What came is not Channel Access; the connection cannot go on."""


def parse(buffer: bytes | bytearray, offset: int, payload_limit_bytes: int) -> tuple[Message, int] | None:
    """The message at the offset and the offset behind it; None while it is not whole.

    Raises `ProtocolError` for a command that does not exist and for a payload above the limit, as soon as the header is there.
    """
    if len(buffer) - offset < _HEADER.size:
        return None
    command, size, data_type, count, parameter1, parameter2 = _HEADER.unpack_from(buffer, offset)
    if command > _LAST_COMMAND:
        raise ProtocolError(f"command {command} does not exist")
    begin = offset + _HEADER.size
    if size == _IS_EXTENDED:
        if len(buffer) - offset < _EXTENDED.size:
            return None
        size, count = _EXTENDED.unpack_from(buffer, offset)[6:]
        begin = offset + _EXTENDED.size
    if size > payload_limit_bytes:
        raise ProtocolError(f"a payload of {size} bytes; at most {payload_limit_bytes} are taken")
    end = begin + size
    if len(buffer) < end:
        return None
    return Message(command, data_type, count, parameter1, parameter2, bytes(buffer[begin:end]) if size else b""), end


def header(
    command: int, size_bytes: int, *, data_type: int = 0, count: int = 0, parameter1: int = 0, parameter2: int = 0
) -> bytes:
    """The header of a message with a payload of so many bytes; the extended one where the plain one is too small."""
    if size_bytes < _IS_EXTENDED and count < _IS_EXTENDED:
        return _HEADER.pack(command, size_bytes, data_type, count, parameter1, parameter2)
    return _EXTENDED.pack(command, _IS_EXTENDED, data_type, 0, parameter1, parameter2, size_bytes, count)


def frame(
    command: int, payload: bytes = b"", *, data_type: int = 0, count: int = 0, parameter1: int = 0, parameter2: int = 0
) -> bytes:
    """A message as bytes; the payload must be `padded` already."""
    head = header(command, len(payload), data_type=data_type, count=count, parameter1=parameter1, parameter2=parameter2)
    return head + payload


def padded(payload: bytes) -> bytes:
    """The payload with NULs up to a multiple of 8 bytes."""
    return payload + b"\0" * (-len(payload) % 8)
