"""A PVAccess client that speaks bytes, far enough to put and to break off anywhere."""

from __future__ import annotations

import socket
import struct

_MAGIC, _VERSION, _LITTLE, _FROM_SERVER = 0xCA, 2, 0x00, 0x40
CONTROL, SEGMENTED = 0x01, 0x30
VALIDATION, ECHO, VALIDATED, CREATE, DESTROY, GET, PUT, MONITOR, RPC = 1, 2, 9, 7, 8, 10, 11, 13, 20
INIT, DATA = 0x08, 0x00
EMPTY_STRUCTURE = b"\x80\x00\x00"
_NO_VALUE = b"\xff"


def text(value: bytes) -> bytes:
    """A string of up to 253 bytes."""
    return bytes([len(value)]) + value


class RawPvaClient:
    """One connection, message by message; ``receive`` raises `ConnectionError` when the server ends it."""

    def __init__(self, address: str, user: bytes | None = None) -> None:
        host, port = address.split(":")
        self.sock = socket.create_connection((host, int(port)), timeout=30)
        self._buffer = b""
        self._next = 0
        self.receive(VALIDATION)
        who = text(b"anonymous") + _NO_VALUE
        if user is not None:
            who = (
                text(b"ca")
                + b"\x80\x00\x02"
                + text(b"user")
                + b"\x60"
                + text(b"host")
                + b"\x60"
                + text(user)
                + text(b"h")
            )
        self.send(VALIDATION, struct.pack("<IHH", 87040, 32767, 0) + who)
        self.receive(VALIDATED)

    def send(self, command: int, payload: bytes, flags: int = _LITTLE, size: int | None = None) -> None:
        """A message; ``size`` is what its header announces if that is to be wrong."""
        head = struct.pack("<BBBBI", _MAGIC, _VERSION, flags, command, len(payload) if size is None else size)
        self.sock.sendall(head + payload)

    def receive(self, *commands: int) -> bytes:
        """The payload of the next message of one of these commands."""
        while True:
            while len(self._buffer) < 8:
                self._read()
            _, _, flags, command, size = struct.unpack("<BBBBI", self._buffer[:8])
            if flags & CONTROL:
                self._buffer = self._buffer[8:]
                continue
            while len(self._buffer) < 8 + size:
                self._read()
            payload, self._buffer = self._buffer[8 : 8 + size], self._buffer[8 + size :]
            if command in commands:
                return payload

    def _read(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data

    def open(self, name: str) -> int:
        """Create a channel; answers the server's number of it."""
        self._next += 1
        self.send(CREATE, struct.pack("<HI", 1, self._next) + text(name.encode()))
        return int(struct.unpack_from("<I", self.receive(CREATE), 4)[0])

    def begin(self, command: int, channel: int) -> int:
        """Begin an operation on all fields; answers its number."""
        self._next += 1
        self.send(command, struct.pack("<IIB", channel, self._next, INIT) + EMPTY_STRUCTURE)
        self.receive(command)
        return self._next

    def operate(self, command: int, channel: int, operation: int, data: bytes) -> bool:
        """Carry out a begun operation with these bytes; whether it succeeded."""
        self.send(command, struct.pack("<IIB", channel, operation, DATA) + data)
        return self.receive(command)[5] == 0xFF

    def close(self) -> None:
        self.sock.close()
