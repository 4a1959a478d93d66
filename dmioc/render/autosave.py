"""``db/*_settings.req``: the saved setpoints, as synApps' autosave and pyepics read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.groups import SLOT_FILES, slot_groups, slot_of, slot_title

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmioc.catalogue import PV, Catalogue

STATION_REQUEST = "dmioc_settings.req"

_HEADER = """\
# {title}: the setpoints worth keeping. Generated from the catalogue by `make render`: do not edit.
# {macros}
"""
_NOTE = """\
# The gateway keeps them over its own restarts by itself. This list is for others: pyepics' epics.autosave, to take a copy
# of a station and to put it back, and an IOC that loads dmioc.db:
#     create_monitor_set("{name}", 30, "P=DEMO:DM:")
"""


def request_name(kind: str) -> str:
    """The file of one kind of slot: ``dmioc_daq_settings.req`` of ``DAQ``."""
    return f"dmioc_{SLOT_FILES.get(kind, kind.lower())}_settings.req"


def autosave_requests(catalogue: Catalogue) -> dict[str, str]:
    """The text of each request file by its name: the station's, which includes that of each slot."""
    kinds = slot_groups(catalogue)
    lines = _lines(pv.name for pv in _saved(catalogue) if slot_of(pv.group) is None)
    for kind, groups in kinds.items():
        numbers = range(1, len(groups) + 1)
        lines += [f'file "{request_name(kind)}", P=$(P),N={number}\n' for number in numbers]
    note = _NOTE.format(name=STATION_REQUEST)
    header = _HEADER.format(title="Station", macros="Macro: P, the prefix.")
    texts = {STATION_REQUEST: header + note + "".join(lines)}
    for kind, groups in kinds.items():
        header = _HEADER.format(title=slot_title(kind), macros="Macros: P, the prefix; N, its number.")
        names = (f"{kind}$(N):{pv.short_name}" for pv in _saved(catalogue) if pv.group == groups[0])
        texts[request_name(kind)] = header + "".join(_lines(names))
    return texts


def _saved(catalogue: Catalogue) -> Iterable[PV]:
    return (pv for pv in catalogue if pv.saved)


def _lines(names: Iterable[str]) -> list[str]:
    return [f"$(P){name}\n" for name in names]
