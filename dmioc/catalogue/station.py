"""The catalogue of one gateway: every group, as many slots as configured."""

from __future__ import annotations

from dataclasses import dataclass

from dmioc.catalogue.entries import NAME_CHARACTERS, Catalogue
from dmioc.catalogue.experiment import experiment, metadata
from dmioc.catalogue.gateway import gateway
from dmioc.catalogue.names import RIGHT_CHARACTERS, wrong_characters
from dmioc.catalogue.streams import stream_slot
from dmioc.catalogue.transfers import daq_slot, transfer_lists, upload_slot
from dmioc.catalogue.workflows import jobs, workflow_slot
from dmioc.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Slots:
    """How many slots of each kind a gateway has."""

    daq: int = 2
    upload: int = 2
    workflow: int = 4
    stream: int = 2


def station_catalogue(slots: Slots | None = None) -> Catalogue:
    """Every PV of a gateway with these slots (default: the contract's numbers), in the order of the contract."""
    slots = slots or Slots()
    return Catalogue(
        (
            *gateway(),
            *experiment(),
            *(pv for slot in range(1, slots.daq + 1) for pv in daq_slot(slot)),
            *(pv for slot in range(1, slots.upload + 1) for pv in upload_slot(slot)),
            *transfer_lists(),
            *(pv for slot in range(1, slots.workflow + 1) for pv in workflow_slot(slot)),
            *jobs(),
            *metadata(),
            *(pv for slot in range(1, slots.stream + 1) for pv in stream_slot(slot, slots.workflow)),
        )
    )


def check_prefix(prefix: str, catalogue: Catalogue) -> None:
    """Raises `ConfigurationError` when a full PV name with this prefix would break EPICS' or the contract's limits."""
    wrong = wrong_characters(prefix)
    if wrong:
        raise ConfigurationError(f"prefix {prefix!r} holds {wrong!r}; {RIGHT_CHARACTERS} are right")
    longest = max((pv.name for pv in catalogue), key=len)
    if len(prefix) + len(longest) > NAME_CHARACTERS:
        raise ConfigurationError(
            f"prefix {prefix!r} is too long: {prefix}{longest} has {len(prefix) + len(longest)} characters,"
            f" {NAME_CHARACTERS} are allowed"
        )
