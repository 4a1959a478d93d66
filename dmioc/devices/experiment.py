"""The experiment in use, and the one to create."""

from __future__ import annotations

from ophyd import Component as Cpt
from ophyd import Device, Kind

from dmioc.devices.commands import CommandGroup, CommandSignal
from dmioc.devices.signals import (
    ChoiceSignalRO,
    NumberSignal,
    NumberSignalRO,
    StringSignalRO,
    TextSignal,
    TextSignalRO,
)

ANSWER_TIMEOUT_S = 120.0
"""How long a put to ``EXP:Name`` and to ``New:Create`` may take: DM is asked, more than once where it is slow."""


class DMNewExperiment(Device):
    """The experiment to create, and the command that creates it (``EXP:New:``); a part of `DMExperiment`."""

    name_ = Cpt(TextSignal, "Name", kind=Kind.omitted, doc="Name of the experiment to create")
    type = Cpt(TextSignal, "Type", kind=Kind.omitted, doc="Its type; empty: the station's name")
    description = Cpt(TextSignal, "Description", kind=Kind.omitted, doc="Its title")
    start_date = Cpt(TextSignal, "StartDate", kind=Kind.omitted, doc="Start, ISO 8601; empty: DM's default")
    end_date = Cpt(TextSignal, "EndDate", kind=Kind.omitted, doc="End, ISO 8601; empty: DM's default")
    create = Cpt(
        CommandSignal,
        "Create",
        kind=Kind.omitted,
        timeout_s=ANSWER_TIMEOUT_S,
        doc="Create the experiment and select it; refused if the name exists",
    )


class DMExperiment(CommandGroup):
    """The DM experiment in use (``pv-contract.md §3``).

    Documents of a run hold its name, id and state; its configuration holds where its data are.

    Example: ``DMExperiment("DEMO:DM:EXP:", name="experiment")``
    """

    name_ = Cpt(
        TextSignal,
        "Name",
        kind=Kind.normal,
        write_timeout=ANSWER_TIMEOUT_S,
        doc="The experiment to use. Any text is kept; a set is done when DM has answered or could not be reached",
    )
    state = Cpt(ChoiceSignalRO, "State", kind=Kind.normal, doc="Whether DM knows the experiment")
    id = Cpt(NumberSignalRO, "ID", kind=Kind.normal, doc="DM's number of the experiment")
    type = Cpt(StringSignalRO, "Type", kind=Kind.config, doc="Experiment type")
    storage_name = Cpt(StringSignalRO, "StorageName", kind=Kind.config, doc="Storage that holds the data")
    storage_host = Cpt(StringSignalRO, "StorageHost", kind=Kind.config, doc="Host of the storage")
    description = Cpt(TextSignalRO, "Description", kind=Kind.config, doc="Title of the experiment")
    start_date = Cpt(StringSignalRO, "StartDate", kind=Kind.config, doc="Start, ISO 8601")
    end_date = Cpt(StringSignalRO, "EndDate", kind=Kind.config, doc="End, ISO 8601")
    created = Cpt(StringSignalRO, "Created", kind=Kind.omitted, doc="Created in DM, ISO 8601")
    root_path = Cpt(TextSignalRO, "RootPath", kind=Kind.config, doc="Path below the station's storage")
    storage_directory = Cpt(TextSignalRO, "StorageDirectory", kind=Kind.config, doc="Directory of the experiment")
    data_directory = Cpt(TextSignalRO, "DataDirectory", kind=Kind.config, doc="Directory of the data")
    analysis_directory = Cpt(TextSignalRO, "AnalysisDirectory", kind=Kind.config, doc="Directory of the results")
    storage_url = Cpt(TextSignalRO, "StorageURL", kind=Kind.config, doc="URL of the storage directory")
    users = Cpt(TextSignalRO, "Users", kind=Kind.omitted, doc="Who may see the data, one a line")
    user_count = Cpt(NumberSignalRO, "UserCount", kind=Kind.omitted, doc="Number of users")
    file_count = Cpt(NumberSignalRO, "FileCount", kind=Kind.omitted, doc="Files in the catalog")
    index = Cpt(
        NumberSignal,
        "Index",
        kind=Kind.omitted,
        write_timeout=ANSWER_TIMEOUT_S,
        doc="Row of List to select; sets the name",
    )
    new = Cpt(DMNewExperiment, "New:", kind=Kind.omitted, doc="The experiment to create")
