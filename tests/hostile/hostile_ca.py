"""Puts of anything over Channel Access, many on their way at once, each with its answer and what is read back."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hostile_watch import (
    DBR_CHAR,
    DBR_DOUBLE,
    DBR_ENUM,
    DBR_FLOAT,
    DBR_LONG,
    DBR_SHORT,
    DBR_STRING,
    ECA_NORMAL,
    SETPOINTS,
    content,
)
from raw_ca_client import RawClient, RawMessage

from dmioc.catalogue import PV, Kind

_AT_ONCE = 64
_ANSWERS = (11, 15, 19)
_FORMATS = {DBR_SHORT: ">h", DBR_FLOAT: ">f", DBR_ENUM: ">H", DBR_LONG: ">i", DBR_DOUBLE: ">d"}
CLOSED = -1


@dataclass(frozen=True)
class Attack:
    """One put: DBR type, announced element count, and bytes, which need not fit together."""

    data_type: int
    count: int
    payload: bytes

    def sent(self, pv: PV) -> Any:
        """What a sane server understands: a number, or a text as bytes; None for what is neither."""
        is_text = pv.kind.is_text or pv.kind is Kind.STRING
        if self.data_type == DBR_CHAR and len(self.payload) >= self.count:
            if is_text:
                return _text(self.payload[: self.count])
            return self.payload[0] if self.count == 1 else None
        if self.count != 1:
            return b"" if self.count == 0 else None
        if self.data_type == DBR_STRING:
            return _text(self.payload[:40])
        form = _FORMATS.get(self.data_type)
        return (
            struct.unpack_from(form, self.payload)[0] if form and len(self.payload) >= struct.calcsize(form) else None
        )


def _text(payload: bytes) -> bytes:
    """As the contract reads texts: up to the first NUL; what is not UTF-8 as Latin-1."""
    text = payload.split(b"\0", 1)[0]
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1").encode("utf-8")
    return text


@dataclass(frozen=True)
class Answer:
    """How a put ended: status (`CLOSED` if the circuit was), and the PV's value right after it."""

    status: int
    value: Any

    def fault(self, pv: PV, attack: Attack, before: Any) -> str:
        """What is wrong with it, given what the PV held before; empty if nothing is."""
        if self.status != ECA_NORMAL:
            is_kept = self.value == before or pv not in SETPOINTS  # others change by themselves
            return "" if is_kept else f"{pv.name}: {attack} failed and changed {before!r} to {self.value!r}"
        sent = attack.sent(pv)
        is_right = sent is not None and pv.writable and means(pv, sent, self.value)
        return "" if is_right else f"{pv.name}: {attack} was taken and reads {self.value!r}"


def means(pv: PV, sent: Any, held: Any) -> bool:
    """Whether a PV holds what was sent, by what people would say: 2, 2.0 and "2" are one number, a label is its index."""
    if sent == held:
        return True
    if pv.kind.has_states and isinstance(sent, bytes) and sent.strip().decode("utf-8", "replace") in pv.labels:
        return pv.labels.index(sent.strip().decode()) == held
    try:
        one, other = (float(value.decode()) if isinstance(value, bytes) else float(value) for value in (sent, held))
    except ValueError:
        return False
    return one == other or (one != one and other != other)


class Attacker:
    """A circuit with channels as they are needed; made anew when the server closes it."""

    def __init__(self, address: str, prefix: str) -> None:
        self._address, self._prefix = address, prefix
        self.closed = 0
        self._client = RawClient(address, "attacker")
        self._channels: dict[str, RawMessage] = {}

    def _open(self) -> None:
        self._client.close()
        self._client = RawClient(self._address, "attacker")
        self._channels = {}

    def _channel(self, pv: PV) -> RawMessage:
        if pv.name not in self._channels:
            self._channels[pv.name] = self._client.open(self._prefix + pv.name, len(self._channels))
        return self._channels[pv.name]

    def read(self, pvs: Iterable[PV]) -> dict[str, Any]:
        """Values now."""
        wanted = list(pvs)
        answers = self._exchange([self._get(pv, number) for number, pv in enumerate(wanted)], len(wanted))
        return {pv.name: answers[number][1] for number, pv in enumerate(wanted)}

    def put(self, puts: Sequence[tuple[PV, Attack]]) -> list[str]:
        """What is wrong after these puts, each read before and after it; a circuit that is closed is opened again."""
        faults: list[str] = []
        for start in range(0, len(puts), _AT_ONCE):
            faults += self._put_some(puts[start : start + _AT_ONCE])
        return faults

    def _put_some(self, puts: Sequence[tuple[PV, Attack]]) -> list[str]:
        sent = [
            self._get(pv, 4 * number) + self._write(pv, attack, 4 * number + 1) + self._get(pv, 4 * number + 2)
            for number, (pv, attack) in enumerate(puts)
        ]
        try:
            answers = self._exchange(sent, 3 * len(puts))
        except ConnectionError:
            self.closed += 1
            self._open()
            if len(puts) == 1:
                return []  # an error to this client, whose circuit is gone
            return [fault for put in puts for fault in self._put_some([put])]
        return [
            fault
            for number, (pv, attack) in enumerate(puts)
            if (
                fault := Answer(answers[4 * number + 1][0], answers[4 * number + 2][1]).fault(
                    pv, attack, answers[4 * number][1]
                )
            )
        ]

    def _get(self, pv: PV, number: int) -> bytes:
        channel = self._channel(pv)
        return struct.pack(">HHHHII", 15, 0, channel.data_type, 0, channel.parameter2, number)

    def _write(self, pv: PV, attack: Attack, number: int) -> bytes:
        payload = attack.payload + b"\0" * (-len(attack.payload) % 8)
        head = (attack.data_type, attack.count, self._channel(pv).parameter2, number)
        if len(payload) > 0xFFF0 or attack.count > 0xFFFF:
            large = (19, 0xFFFF, head[0], 0, head[2], head[3], len(payload), attack.count)
            return struct.pack(">HHHHIIII", *large) + payload
        return struct.pack(">HHHHII", 19, len(payload), *head) + payload

    def _exchange(self, messages: Sequence[bytes], answers: int) -> dict[int, tuple[int, Any]]:
        """Send all, and wait for so many answers by their numbers: status and content."""
        self._client.sock.sendall(b"".join(messages))
        found: dict[int, tuple[int, Any]] = {}
        while len(found) < answers:
            answer = self._client.receive(*_ANSWERS)
            if answer.command == 11:  # no answer to a put with completion, but an error that names it
                number = struct.unpack_from(">I", answer.payload, 12)[0]
                found[number] = (answer.parameter2, None)
                continue
            value = content(answer.data_type, answer.payload, answer.count) if answer.command == 15 else None
            found[answer.parameter2] = (answer.parameter1, value)
        return found

    def close(self) -> None:
        self._client.close()
