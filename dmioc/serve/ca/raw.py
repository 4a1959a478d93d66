"""What a client wrote, as the catalogue takes it."""

from __future__ import annotations

from caproto import ChannelType, WriteNotifyRequest, WriteRequest

from dmioc.catalogue import PV, Kind, Raw
from dmioc.errors import RefusedError


def raw_value(pv: PV, request: WriteRequest | WriteNotifyRequest) -> Raw:
    """The put's value: bytes for texts, a number for numbers; `dmioc.catalogue.coerce` does the rest.

    Raises `RefusedError` for a put of several values to a PV that holds one, of none, and of a type that is no plain value.
    """
    data_type, count = request.header.data_type, request.header.data_count
    if not ChannelType.STRING <= data_type <= ChannelType.DOUBLE:
        raise RefusedError(f"{pv.name}: a put of DBR type {data_type} is not taken, only plain values are")
    is_string = pv.kind.is_text or pv.kind is Kind.STRING
    if data_type == ChannelType.CHAR and is_string:
        if len(request.buffers[1]) < count:
            raise RefusedError(f"{pv.name}: {len(request.buffers[1])} bytes are not {count} characters")
        return bytes(request.buffers[1])[:count]  # the rest fills the message up
    if count == 0 and is_string:
        return b""
    if count != 1:
        raise RefusedError(f"{pv.name} takes one value, not {count}")
    return _one_value(pv, request)


def _one_value(pv: PV, request: WriteRequest | WriteNotifyRequest) -> Raw:
    try:
        values = request.data
    except ValueError as error:  # the payload is no whole number of elements
        raise _too_short(pv, request) from error
    if request.header.data_type == ChannelType.STRING:
        text: bytes = values[0]
        return text
    if len(values) == 0:
        raise _too_short(pv, request)
    number: int | float = values[0].item()
    return number


def _too_short(pv: PV, request: WriteRequest | WriteNotifyRequest) -> RefusedError:
    held_bytes, name = len(request.buffers[1]), ChannelType(request.header.data_type).name
    return RefusedError(f"{pv.name}: {held_bytes} bytes hold no {name}")
