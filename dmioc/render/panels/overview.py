"""The station on one panel: a line for each service, the experiment and each slot, and the way to every other panel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dmioc.model import Service
from dmioc.render.panels.cells import Cells, opens, strip, words
from dmioc.render.panels.placing import FrameOf, Line, frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel

_STATE = 100
_BAR = 120
_COUNT = 65
_NAME = 165
_SERVICE = 85


def overview(catalogue: Catalogue) -> Panel:
    """The panel that is opened first."""
    return panel(
        "overview",
        "DM station",
        (
            _gateway(catalogue),
            _services(catalogue),
            _experiment(catalogue),
            _transfers(catalogue, "DAQ", "DAQs", "daq"),
            _transfers(catalogue, "UPL", "Uploads", "upload"),
            _workflows(catalogue),
            *([_streams(catalogue)] if slots(catalogue, "STR") else []),
        ),
    )


def slots(catalogue: Catalogue, kind: str) -> tuple[str, ...]:
    """Numbers of the slots of a kind, ``DAQ``, ``UPL``, ``WF`` or ``STR``."""
    groups = dict.fromkeys(pv.group for pv in catalogue)
    found = (re.fullmatch(rf"{kind}([0-9]+):", group) for group in groups)
    return tuple(one[1] for one in found if one)


def _gateway(catalogue: Catalogue) -> FrameOf:
    cells = Cells(catalogue)
    return frame(
        "Gateway",
        strip(
            opens("Gateway", "gateway"),
            cells.show("State", _STATE),
            cells.show("Station", _STATE),
            words("Owner", 50),
            cells.show("Owner"),
            words("Heartbeat", 75),
            cells.show("Heartbeat", _STATE),
        ),
        cells.long("Message", 2, label=False),
    )


def _services(catalogue: Catalogue) -> FrameOf:
    lines: list[Line] = [
        strip(
            words("Service", _SERVICE),
            words("State", _STATE),
            words("Latency [ms]", _STATE),
            words("Age [s]", _COUNT),
            words("Last error"),
        )
    ]
    for service in Service:
        cells = Cells(catalogue, f"{service.value}:")
        lines.append(
            strip(
                words(service.value, _SERVICE),
                cells.show("State", _STATE),
                cells.show("Latency", _STATE),
                cells.show("Age", _COUNT),
                cells.show("Error"),
            )
        )
    return frame("DM services", *lines)


def _experiment(catalogue: Catalogue) -> FrameOf:
    cells, metadata = Cells(catalogue, "EXP:"), Cells(catalogue, "MD:")
    return frame(
        "Experiment",
        strip(
            opens("Experiment", "experiment"),
            cells.show("State", _STATE),
            cells.reading("Name", _NAME),
            words("Type", 40),
            cells.show("Type"),
            words("Files", 40),
            cells.show("FileCount", _COUNT),
        ),
        strip(cells.show("Description")),
        strip(
            opens("Metadata", "metadata"),
            metadata.show("Status", _STATE),
            metadata.reading("Dataset", _NAME),
            words("Known to DM", 95),
            opens("Experiments", "experiments", width=100),
            opens("Workflows", "workflows", width=100),
        ),
    )


def _transfers(catalogue: Catalogue, kind: str, title: str, name: str) -> FrameOf:
    heads = strip(
        opens("All", f"{name}s"),
        words("Status", _STATE),
        words("Experiment", _NAME),
        words("Progress", _BAR),
        words("Done", _COUNT),
        words("Waiting", _COUNT),
        words("Failed"),
    )
    lines: list[Line] = [heads]
    for slot in slots(catalogue, kind):
        cells = Cells(catalogue, f"{kind}{slot}:")
        lines.append(
            strip(
                opens(f"{kind} {slot}", name, slot),
                cells.show("Status", _STATE),
                cells.show("Experiment_RBV", _NAME),
                cells.bar("Percent", _BAR),
                cells.show("FilesDone", _COUNT),
                cells.show("FilesWaiting", _COUNT),
                cells.show("FilesFailed"),
            )
        )
    return frame(title, *lines)


def _workflows(catalogue: Catalogue) -> FrameOf:
    jobs = Cells(catalogue, "JOB:")
    lines: list[Line] = [
        strip(
            opens("All jobs", "jobs"),
            words("Status", _STATE),
            words("Workflow", _NAME),
            words("Progress", _BAR),
            words("Stage"),
            words("Active jobs", 90),
            jobs.show("Active", 40),
        )
    ]
    for slot in slots(catalogue, "WF"):
        cells = Cells(catalogue, f"WF{slot}:")
        lines.append(
            strip(
                opens(f"WF {slot}", "workflow", slot),
                cells.show("Status", _STATE),
                cells.show("Workflow_RBV", _NAME),
                cells.bar("Percent", _BAR),
                cells.show("Stage"),
            )
        )
    return frame("Workflows", *lines)


def _streams(catalogue: Catalogue) -> FrameOf:
    lines: list[Line] = [
        strip(
            words("", _SERVICE),
            words("State", _STATE),
            words("Received", 80),
            words("Processed", 80),
            words("Missed", _COUNT),
            words("Errors", _COUNT),
            words("Message"),
        )
    ]
    for slot in slots(catalogue, "STR"):
        cells = Cells(catalogue, f"STR{slot}:")
        lines.append(
            strip(
                opens(f"STR {slot}", "stream", slot),
                cells.show("State", _STATE),
                cells.show("Received", 80),
                cells.show("Processed", 80),
                cells.show("Missed", _COUNT),
                cells.show("Errors", _COUNT),
                cells.show("Message"),
            )
        )
    return frame("Streaming", *lines)
