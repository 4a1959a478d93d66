"""What a client wrote, as the catalogue takes it."""

from __future__ import annotations

from caproto import ChannelType

from dmioc.catalogue import PV, Kind, Raw, decode
from dmioc.errors import RefusedError
from dmioc.serve.ca.dbr import STRING_SIZE, number_of


def raw_value(pv: PV, data_type: int, count: int, payload: bytes) -> Raw:
    """The put's value: bytes for texts, a number for numbers; `dmioc.catalogue.coerce` does the rest.

    Raises `RefusedError` for a put of several values to a PV that holds one, of none, and of a type that is no plain value.
    """
    if not ChannelType.STRING <= data_type <= ChannelType.DOUBLE:
        raise RefusedError(f"{pv.name}: a put of DBR type {data_type} is not taken, only plain values are")
    is_string = pv.kind.is_text or pv.kind is Kind.STRING
    if data_type == ChannelType.CHAR and is_string:
        return payload[:count]
    if count == 0 and is_string:
        return b""
    if data_type == ChannelType.STRING and count > 1 and pv.kind is Kind.LINES:
        return tuple(decode(payload[at : at + STRING_SIZE]) for at in range(0, count * STRING_SIZE, STRING_SIZE))
    if count != 1:
        raise RefusedError(f"{pv.name} takes one value, not {count}")
    if data_type == ChannelType.STRING:
        return payload[:STRING_SIZE]
    try:
        return number_of(data_type, payload)
    except ValueError as error:
        raise RefusedError(f"{pv.name}: {error}") from error
