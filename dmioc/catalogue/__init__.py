"""Every PV as data: the one place where a PV is declared (``pv-contract.md``)."""

from dmioc.catalogue.aliases import with_aliases
from dmioc.catalogue.entries import PV, Access, Alias, Catalogue, Column, Kind, Served, State
from dmioc.catalogue.station import Slots, check_prefix, station_catalogue
from dmioc.catalogue.values import Raw, coerce, decode, shown

__all__ = [
    "PV",
    "Access",
    "Alias",
    "Catalogue",
    "Column",
    "Kind",
    "Raw",
    "Served",
    "Slots",
    "State",
    "check_prefix",
    "coerce",
    "decode",
    "shown",
    "station_catalogue",
    "with_aliases",
]
