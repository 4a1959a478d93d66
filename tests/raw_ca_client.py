"""A Channel Access client that speaks bytes."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class RawMessage:
    """One message as it came; the two parameters mean what the command says."""

    command: int
    size: int
    data_type: int
    count: int
    parameter1: int
    parameter2: int
    payload: bytes


class RawClient:
    """One circuit, message by message, with nothing of the server's own code."""

    def __init__(self, address: str, user: str = "raw") -> None:
        host, port = address.split(":")
        self.sock = socket.create_connection((host, int(port)), timeout=30)
        self._buffer = b""
        self.send(0, count=13)
        self.send(20, payload=_padded(user.encode() + b"\0"))
        assert self.receive(0).count == 13

    def send(
        self, command: int, data_type: int = 0, count: int = 0, p1: int = 0, p2: int = 0, payload: bytes = b""
    ) -> None:
        head = struct.pack(">HHHHII", command, len(payload) & 0xFFFF, data_type, count & 0xFFFF, p1, p2)
        if count > 0xFFFF or len(payload) >= 0xFFFF:
            head = struct.pack(">HHHHIIII", command, 0xFFFF, data_type, 0, p1, p2, len(payload), count)
        self.sock.sendall(head + payload)

    def receive(self, *commands: int) -> RawMessage:
        """The next message of one of these commands; of any if none is named."""
        while True:
            message = self._next()
            if not commands or message.command in commands:
                return message

    def open(self, name: str, cid: int = 1) -> RawMessage:
        """Create a channel; the answer's parameter2 is its sid, its type and count are native."""
        self.send(18, p1=cid, p2=13, payload=_padded(name.encode() + b"\0"))
        return self.receive(18, 26)

    def subscribe(self, sid: int, data_type: int, count: int, mask: int = 5, subscription_id: int = 7) -> None:
        self.send(1, data_type, count, sid, subscription_id, struct.pack(">fffHH", 0, 0, 0, mask, 0))

    def get(self, sid: int, data_type: int, count: int) -> RawMessage:
        self.send(15, data_type, count, sid, 9)
        return self.receive(15)

    def put(self, sid: int, data_type: int, count: int, payload: bytes, wait: bool = True, ioid: int = 3) -> None:
        self.send(19 if wait else 4, data_type, count, sid, ioid, _padded(payload))

    def close(self) -> None:
        self.sock.close()

    def _next(self) -> RawMessage:
        while True:
            if len(self._buffer) >= 16:
                command, size, data_type, count, p1, p2 = struct.unpack(">HHHHII", self._buffer[:16])
                begin = 16
                if size == 0xFFFF and len(self._buffer) >= 24:
                    size, count = struct.unpack(">II", self._buffer[16:24])
                    begin = 24
                if size != 0xFFFF and len(self._buffer) >= begin + size:
                    payload = self._buffer[begin : begin + size]
                    self._buffer = self._buffer[begin + size :]
                    return RawMessage(command, size, data_type, count, p1, p2, payload)
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the circuit")
            self._buffer += data


def _padded(payload: bytes) -> bytes:
    return payload + b"\0" * (-len(payload) % 8)
