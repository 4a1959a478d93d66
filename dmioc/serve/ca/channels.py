"""What a client connects to: a PV, or a field of one, as caproto's data with what the contract asks for."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from ctypes import BigEndianStructure
from typing import TYPE_CHECKING, Any

import caproto
from caproto import AccessRights, CAStatus, ChannelAlarm, ChannelType, SubscriptionType

from dmioc.catalogue import PV
from dmioc.catalogue.entries import STRING_BYTES
from dmioc.serve.ca.samples import Answer, Native, Sample, cut, fitting

if TYPE_CHECKING:
    from dmioc.serve.ca.events import Subscription

Rights = Callable[[PV, str, str], tuple[bool, bool]]
"""Whether a user (as claimed by the client) at a host (as seen by the server) may read and may write a PV."""

_VALUE_EVENT = SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG
_NATIVE_TYPES = 7
_STS_STRING = ChannelType.STS_STRING
_STRING_FORMS_OF_NOBODY = (ChannelType.GR_STRING, ChannelType.CTRL_STRING)
"""EPICS base sends the form with status for these; caproto has the one with time for the second, which libca cannot read."""

_LAST_FORM = ChannelType.CTRL_DOUBLE
_LARGEST_PAYLOAD_BYTES = 2 * 2**20
_UNIT_BYTES = caproto.MAX_UNITS_SIZE - 1
_FIXED_POINT_BELOW = 1e15
ALARM_LIMITS = ("upper_alarm_limit", "upper_warning_limit", "lower_warning_limit", "lower_alarm_limit")
_LIMITS = ("upper_disp_limit", "lower_disp_limit", "upper_ctrl_limit", "lower_ctrl_limit", *ALARM_LIMITS)


def status_code(status: CAStatus) -> int:
    """The code as it goes over the wire."""
    return status.value.code_with_severity


NORMAL = status_code(CAStatus.ECA_NORMAL)
_BAD_COUNT = status_code(CAStatus.ECA_BADCOUNT)
_BAD_TYPE = status_code(CAStatus.ECA_BADTYPE)
_NO_CONVERSION = status_code(CAStatus.ECA_NOCONVERT)
_TOO_LARGE = status_code(CAStatus.ECA_TOLARGE)


class Alarm(ChannelAlarm):
    """A channel's own alarm: caproto's, which several channels could share (``epics-notes.md §3.2``), set without publishing."""

    def take(self, severity: int, status: int) -> None:
        """Take severity and status."""
        self._data["severity"] = severity
        self._data["status"] = status


class Channel(caproto.ChannelData):
    """A value, those who subscribed to it, and what is derived from it.

    What the engine publishes comes by `take`, which awaits nothing and asks no putter; what clients put never comes here, but
    goes to the engine. Each DBR type is converted once for all clients.

    Attributes:
        pv: the catalogue's entry that it is, or is a field of.
        name: full name, with the field if it is one.
        takes_puts: whether a put to it is a put to the PV; fields take none.
        sample: what it holds.
        subscriptions: the monitors of all clients.
    """

    def __init__(self, pv: PV, name: str, rights: Rights, takes_puts: bool, **more: Any) -> None:
        self._own_alarm = Alarm()
        super().__init__(alarm=self._own_alarm, timestamp=0.0, **more)
        self.pv = pv
        self.name = name
        self.rights = rights
        self.takes_puts = takes_puts
        self.sample = Sample(0, -1.0, 0, 0)  # equal to none that comes
        self.subscriptions: dict[Subscription, None] = {}
        self._derived: list[tuple[Channel, Callable[[Sample], Native]]] = []
        self._heads: dict[int, BigEndianStructure] = {}

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """What a client may do; called by caproto when it opens the channel."""
        may_read, may_write = self.rights(self.pv, username, hostname)
        read = AccessRights.READ if may_read else AccessRights.NO_ACCESS
        return read | (AccessRights.WRITE if may_write and self.takes_puts else AccessRights.NO_ACCESS)

    def take(self, sample: Sample) -> None:
        """Hold a sample and let those have it who subscribed to what changed; the same sample again changes nothing."""
        events = 0 if sample.same_value(self.sample) else _VALUE_EVENT
        if not sample.same_alarm(self.sample):
            events |= SubscriptionType.DBE_ALARM
        if not events:
            return
        self._hold(sample)
        for subscription in self.subscriptions:
            if subscription.mask & events:
                subscription.take(sample)
        for channel, source in self._derived:
            channel.take(sample.with_value(source(sample)))

    def derive(self, channel: Channel, source: Callable[[Sample], Native]) -> Channel:
        """Let the channel always show what ``source`` makes of this one's sample."""
        channel.take(self.sample.with_value(source(self.sample)))
        self._derived.append((channel, source))
        return channel

    def answer(self, sample: Sample, data_type: int, count: int) -> Answer:
        """A sample of this channel as a DBR type with so many elements.

        A count of 0 asks for the elements there are, at least one. With any other count exactly so many are sent, NULs after
        the last: a client that keeps the rest of its buffer must not see the tail of an older text (``pv-contract.md §1``).
        What cannot be given has a status other than ECA_NORMAL and only NULs, as EPICS base does it.
        """
        key = (data_type, count)
        known = sample.answers.get(key)
        if known is None:
            known = sample.answers[key] = self._convert(sample, data_type, count)
        return known

    async def _read(self, data_type: int) -> tuple[BigEndianStructure | bytes, bytes]:
        """What caproto's own `read` gives."""
        answer = self.answer(self.sample, data_type, 0)
        return answer.metadata, answer.data

    def _hold(self, sample: Sample) -> None:
        self.sample = sample
        self._data["value"] = sample.value
        self._data["timestamp"] = sample.stamp
        self._own_alarm.take(sample.severity, sample.alarm)

    def _convert(self, sample: Sample, data_type: int, count: int) -> Answer:
        if count > self.max_length:
            return failed(_BAD_COUNT, data_type)
        if data_type in (ChannelType.CLASS_NAME, ChannelType.STSACK_STRING):
            return self._special(sample, data_type)
        if not 0 <= data_type <= _LAST_FORM:
            return failed(_BAD_TYPE, data_type)
        try:
            elements, data = self._elements(sample.value, caproto.native_type(data_type), count)
        except OverflowError:
            return failed(_TOO_LARGE, data_type)
        except ValueError:
            return failed(_NO_CONVERSION, data_type)
        return Answer(NORMAL, elements, self._head(sample, data_type), data)

    def _special(self, sample: Sample, data_type: int) -> Answer:
        structure = caproto.DBR_TYPES[data_type]()
        if data_type == ChannelType.CLASS_NAME:
            _set(structure, value=self.reported_record_type.encode())
        else:
            text = cut(self._text(sample.value), STRING_BYTES)
            _set(structure, status=sample.alarm, severity=sample.severity, value=text)
        return Answer(NORMAL, 1, bytes(structure), b"")

    def _elements(self, value: Native, base: ChannelType, count: int) -> tuple[int, bytes]:
        """Number of elements and their bytes in a native type.

        Raises `ValueError` where there is no conversion and `OverflowError` where it is too large to send.
        """
        if base is ChannelType.STRING:
            return 1, caproto.DbrStringArray([cut(self._text(value), STRING_BYTES)]).tobytes()
        number = float(value) if isinstance(value, bytes) else value
        return 1, caproto.backend.python_to_epics(base, [fitting(number, base)]).tobytes()

    def _text(self, value: Native) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode()

    def _head(self, sample: Sample, data_type: int) -> bytes:
        if data_type < _NATIVE_TYPES:
            return b""
        structure = self._heads.get(data_type)
        if structure is None:
            sent = _STS_STRING if data_type in _STRING_FORMS_OF_NOBODY else data_type
            structure = self._heads[data_type] = caproto.DBR_TYPES[sent]()
            self._read_metadata(structure)
        _set(structure, status=sample.alarm, severity=sample.severity)
        if hasattr(structure, "stamp"):
            _set(structure, stamp=sample.stamp)
        return bytes(structure)

    def _read_metadata(self, dbr_metadata: BigEndianStructure) -> None:
        """Fill in what does not change: unit, precision, limits.

        caproto's own converts with numpy, which warns about limits that the asked type cannot hold.
        """
        if hasattr(dbr_metadata, "units"):
            _set(dbr_metadata, units=self.pv.unit.encode("latin-1", "replace")[:_UNIT_BYTES])
        if hasattr(dbr_metadata, "precision"):
            _set(dbr_metadata, precision=self._data.get("precision", 0))
        base = caproto.native_type(getattr(dbr_metadata, "DBR_ID"))  # noqa: B009 - of a ctypes structure
        for name in _LIMITS if base is not ChannelType.CHAR else ():
            if hasattr(dbr_metadata, name):
                setattr(dbr_metadata, name, fitting(self._data.get(name, 0), base))


def _set(structure: BigEndianStructure, **values: object) -> None:
    for name, value in values.items():
        setattr(structure, name, value)


def failed(status: int, data_type: int) -> Answer:
    """The answer to what cannot be given: one element of NULs, since an update without payload would end the monitor."""
    metadata = bytes(ctypes.sizeof(caproto.DBR_TYPES[data_type])) if data_type >= _NATIVE_TYPES else b""
    has_elements = data_type <= _LAST_FORM
    return Answer(
        status, 1, metadata, bytes(ctypes.sizeof(caproto.DBR_TYPES[data_type % _NATIVE_TYPES])) if has_elements else b""
    )


class TextChannel(Channel, caproto.ChannelByte):
    """A text of any length: a waveform of CHAR that holds UTF-8."""

    def __init__(self, pv: PV, name: str, rights: Rights, takes_puts: bool, **more: Any) -> None:
        super().__init__(pv, name, rights, takes_puts, value=b"", string_encoding=None, **more)

    def _elements(self, value: Native, base: ChannelType, count: int) -> tuple[int, bytes]:
        """A text as characters, as one string (the others empty), or as numbers."""
        text = self._text(value)
        # A single character comes with its NUL: PyDM takes an array of one element for a number.
        least = text + b"\0" if len(text) == 1 else text or b"\0"
        elements = least.ljust(count, b"\0")[: count or None]
        if base is ChannelType.CHAR:
            return len(elements), elements
        if base is ChannelType.STRING:
            elements = elements[: count or 1]
        size_bytes = ctypes.sizeof(caproto.DBR_TYPES[base]) * len(elements)
        if size_bytes > _LARGEST_PAYLOAD_BYTES:
            raise OverflowError(f"{size_bytes} bytes are too many for one answer")
        if base is ChannelType.STRING:
            data = caproto.DbrStringArray([cut(text, STRING_BYTES)]).tobytes().ljust(size_bytes, b"\0")
        else:
            data = caproto.backend.python_to_epics(base, elements).tobytes()
        return len(elements), data


class StringChannel(Channel, caproto.ChannelString):
    """A text of at most 39 bytes."""

    def __init__(self, pv: PV, name: str, rights: Rights, takes_puts: bool, **more: Any) -> None:
        super().__init__(pv, name, rights, takes_puts, value=b"", string_encoding="utf-8", **more)


class EnumChannel(Channel, caproto.ChannelEnum):
    """An index with labels."""

    def __init__(
        self, pv: PV, name: str, rights: Rights, takes_puts: bool, *, labels: Sequence[str], **more: Any
    ) -> None:
        self.labels = labels
        told = tuple(labels[: caproto.MAX_ENUM_STATES])  # a menu may have more than clients are told
        super().__init__(pv, name, rights, takes_puts, value=0, string_encoding="utf-8", enum_strings=told, **more)

    def _read_metadata(self, dbr_metadata: BigEndianStructure) -> None:
        super()._read_metadata(dbr_metadata)
        if hasattr(dbr_metadata, "strs"):
            _set(dbr_metadata, enum_strings=[label.encode() for label in self._data["enum_strings"]])

    def _text(self, value: Native) -> bytes:
        if isinstance(value, int) and 0 <= value < len(self.labels):
            return self.labels[value].encode()
        return super()._text(value)


class LongChannel(Channel, caproto.ChannelInteger):
    """A whole number of 32 bits."""


class ShortChannel(Channel, caproto.ChannelShort):
    """A whole number of 16 bits."""


class DoubleChannel(Channel, caproto.ChannelDouble):
    """A floating point number."""

    def _text(self, value: Native) -> bytes:
        if not isinstance(value, float) or not math.isfinite(value):
            return super()._text(value)
        form = "f" if abs(value) < _FIXED_POINT_BELOW else "e"
        return f"{value:.{self._data['precision']}{form}}".encode()
