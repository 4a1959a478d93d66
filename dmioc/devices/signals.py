"""Signals for the types of PVs (``pv-contract.md §1``): texts, strings, choices and numbers, to read or to set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dmioc.catalogue import decode, shown
from dmioc.devices.monitored import MonitoredSignal, ReadbackSignal, SetpointSignal
from dmioc.errors import RefusedError

STRING_BYTES = 39
"""Longest DBR_STRING that every client reads whole (``epics-notes.md §3.8``)."""


class _Text(MonitoredSignal):
    """Bytes of UTF-8 as text: CHAR waveforms of any length, and DBR_STRING.

    ophyd's caproto layer (1.11 with caproto 1.3) takes all bytes for Latin-1, sends nothing else, and asks for a CHAR waveform as
    for 16 bit numbers unless it may make a text of it.
    """

    value_dtype = "string"

    @property
    def _by_caproto(self) -> bool:
        return self.cl.name == "caproto"

    @property
    def _asked_as(self) -> dict[str, Any]:
        return {"as_string": True} if self._by_caproto else {}

    def _fix_type(self, value: Any) -> Any:
        if isinstance(value, str):
            return _as_utf8(value) if self._by_caproto else value
        return decode(np.asarray(value).astype(np.uint8).tobytes())

    def _read_changed(self, value: Any = None, **kwargs: Any) -> None:
        super()._read_changed(kwargs["char_value"] if self._by_caproto else value, **kwargs)


class TextSignalRO(_Text, ReadbackSignal):
    """A text to read, of any length."""


class TextSignal(_Text, SetpointSignal):
    """A text to set, of up to the PV's length in bytes of UTF-8."""

    def _as_held(self, value: Any) -> str:
        return _checked_text(self.pvname, value)

    def _as_sent(self, held: str) -> list[int]:
        # As numbers: pyepics takes a str for ASCII, cuts what is too long, and an empty list for one as long as the PV.
        sent = list(held.encode())
        self.wait_for_connection()
        if len(sent) > (length := int(self._write_pv.nelm)):
            raise RefusedError(f"{self.pvname} takes a text of up to {length} bytes, not of {len(sent)}")
        return sent or [0]


class StringSignalRO(_Text, ReadbackSignal):
    """A text of up to 39 bytes to read."""


class StringSignal(_Text, SetpointSignal):
    """A text of up to 39 bytes of UTF-8 to set."""

    def _as_held(self, value: Any) -> str:
        text = _checked_text(self.pvname, value)
        if (size_bytes := len(text.encode())) > STRING_BYTES:
            raise RefusedError(f"{self.pvname} takes a text of up to {STRING_BYTES} bytes, not of {size_bytes}")
        return text

    def _as_sent(self, held: str) -> Any:
        return (held.encode(),) if self._by_caproto else held


class _Number(MonitoredSignal):
    def _fix_type(self, value: Any) -> Any:
        return np.asarray(value).item()


class NumberSignalRO(_Number, ReadbackSignal):
    """A whole or floating point number to read."""


class NumberSignal(_Number, SetpointSignal):
    """A whole or floating point number to set, within the PV's limits."""

    def _as_held(self, value: Any) -> int | float:
        number = _plain(value)
        if not isinstance(number, int | float) or not math.isfinite(number):
            raise RefusedError(f"{self.pvname} takes a finite number, not {shown(value)}")
        low, high = self.limits
        if low is not None and high is not None and low < high and not low <= number <= high:
            raise RefusedError(f"{self.pvname} takes {low:g} to {high:g}, not {shown(value)}")
        if isinstance(self.get(), int) and number != int(number):
            raise RefusedError(f"{self.pvname} takes a whole number, not {shown(value)}")
        return number


class _Choice(MonitoredSignal):
    """Enums as the text of their state; ophyd shows the index as text until it has asked for the states."""

    value_dtype = "string"
    _unnamed: tuple[Any, dict[str, Any]] | None = None

    def _fix_type(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        states = self.enum_strs or ()
        return states[int(value)] if int(value) < len(states) else str(int(value))

    def describe(self) -> dict[str, dict[str, Any]]:
        """As ophyd's, with the states also under event-model's name for them."""
        described = super().describe()
        described[self.name]["choices"] = list(self.enum_strs or ())
        return described

    def _read_changed(self, value: Any = None, **kwargs: Any) -> None:
        self._unnamed = (value, kwargs)
        self._name_state()

    def _initial_metadata_callback(self, pvname: str, cl_metadata: dict[str, Any]) -> None:
        super()._initial_metadata_callback(pvname, cl_metadata)
        self._name_state()

    def _name_state(self) -> None:
        """Take the newest event once the states are known, which may be after it has come."""
        with self._news:
            if self.enum_strs and (event := self._unnamed) is not None:
                self._unnamed = None
                super()._read_changed(event[0], **event[1])


class ChoiceSignalRO(_Choice, ReadbackSignal):
    """An enum to read, as the text of its state."""


class ChoiceSignal(_Choice, SetpointSignal):
    """An enum to set, by the text of a state or by its index."""

    def _as_held(self, value: Any) -> str:
        self.wait_for_connection()
        states = self.enum_strs or ()
        if isinstance(value, str) and value in states:
            return value
        index = _plain(value)
        if isinstance(index, int) and 0 <= index < len(states):
            return states[index]
        raise RefusedError(f"{self.pvname} takes one of {', '.join(states)}; not {shown(value)}")

    def _as_sent(self, held: str) -> int:
        return (self.enum_strs or ()).index(held)


def _checked_text(pvname: str, value: Any) -> str:
    """The value, if it is a text that a PV can hold; raises `RefusedError`."""
    if not isinstance(value, str) or "\0" in value:
        raise RefusedError(f"{pvname} takes a text without NUL, not {shown(value)}")
    return value


def _as_utf8(text: str) -> str:
    """The text that UTF-8 makes of bytes that were taken for Latin-1; the text itself where it does not."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _plain(value: Any) -> Any:
    """The same number as Python's own, if it is one of numpy's."""
    return value.item() if hasattr(value, "item") else value
