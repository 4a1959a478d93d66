"""Which EPICS record a PV looks like to a Channel Access client."""

from __future__ import annotations

from dmioc.catalogue.entries import PV, Kind

_READ = {
    Kind.TEXT: "waveform",
    Kind.LINES: "waveform",
    Kind.STRING: "stringin",
    Kind.ENUM: "mbbi",
    Kind.LONG: "longin",
    Kind.DOUBLE: "ai",
}
_WRITE = _READ | {
    Kind.STRING: "stringout",
    Kind.ENUM: "mbbo",
    Kind.LONG: "longout",
    Kind.DOUBLE: "ao",
    Kind.COMMAND: "bo",
}


def record_type(pv: PV) -> str:
    """The record type, as in ``.RTYP`` and in ``db/``: a text is a ``waveform`` of CHAR, a command a ``bo``.

    Raises `ValueError` for a PV that Channel Access does not serve.
    """
    types = _WRITE if pv.writable else _READ
    if pv.kind not in types:
        raise ValueError(f"{pv.name}: no record type for a {pv.kind.value} with access {pv.access.name}")
    return types[pv.kind]
