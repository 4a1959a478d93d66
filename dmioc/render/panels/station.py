"""Every panel of a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.panels.experiment import experiment
from dmioc.render.panels.gateway import gateway, messages
from dmioc.render.panels.jobs import experiments, jobs, workflows
from dmioc.render.panels.metadata import metadata
from dmioc.render.panels.overview import overview, slots
from dmioc.render.panels.stream import stream_slot
from dmioc.render.panels.transfers import daq_list, daq_slot, upload_list, upload_slot
from dmioc.render.panels.workflow import workflow_output, workflow_slot

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel

_PANELS = (
    overview,
    gateway,
    messages,
    experiment,
    experiments,
    daq_list,
    upload_list,
    workflows,
    jobs,
    metadata,
)
_SLOT_PANELS = (
    ("DAQ", daq_slot),
    ("UPL", upload_slot),
    ("WF", workflow_slot),
    ("WF", workflow_output),
    ("STR", stream_slot),
)


def station_panels(catalogue: Catalogue) -> tuple[Panel, ...]:
    """The panels, the overview first: it leads to all the others.

    Panels of slots hold the macro N for the slot's number; a gateway without slots of a kind has none for it.
    """
    return (
        *(one(catalogue) for one in _PANELS),
        *(one(catalogue) for kind, one in _SLOT_PANELS if slots(catalogue, kind)),
    )
