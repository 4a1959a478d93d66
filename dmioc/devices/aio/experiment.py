"""The experiment in use, and the one to create."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from ophyd_async.core import SignalBackend, SignalDatatypeT, SignalR, SignalRW
from ophyd_async.epics.core import PvSuffix

from dmioc.devices.aio.commands import COMMAND_TIMEOUT_S, DMCommand
from dmioc.devices.aio.device import CONFIG, READ, CommandGroup, GatewayDevice
from dmioc.devices.aio.enums import DMExperimentState
from dmioc.devices.aio.tables import DMExperimentList


class AnsweredSetpoint(SignalRW[SignalDatatypeT]):
    """A setpoint whose put is complete when DM has answered, or cannot be reached."""

    def __init__(
        self,
        backend: SignalBackend[SignalDatatypeT],
        timeout: float | None = COMMAND_TIMEOUT_S,
        name: str = "",
        attempts: int = 1,
    ) -> None:
        super().__init__(backend, timeout, name, attempts)


class DMNewExperiment(GatewayDevice):
    """The experiment to create, and the command that creates it (``EXP:New:``); a part of `DMExperiment`."""

    name_: Annotated[SignalRW[str], PvSuffix("Name")]
    type: Annotated[SignalRW[str], PvSuffix("Type")]
    description: Annotated[SignalRW[str], PvSuffix("Description")]
    start_date: Annotated[SignalRW[str], PvSuffix("StartDate")]
    end_date: Annotated[SignalRW[str], PvSuffix("EndDate")]
    create: Annotated[DMCommand, PvSuffix("Create")]


class DMExperiment(CommandGroup):
    """The DM experiment in use (``pv-contract.md §3``).

    Documents of a run hold its name, id and state; its configuration holds where its data are.

    Example: ``DMExperiment("pva://DEMO:DM:EXP:", name="experiment")``
    """

    group_pattern = "EXP:"

    name_: Annotated[AnsweredSetpoint[str], PvSuffix("Name"), READ]
    state: Annotated[SignalR[DMExperimentState], PvSuffix("State"), READ]
    id: Annotated[SignalR[int], PvSuffix("ID"), READ]
    type: Annotated[SignalR[str], PvSuffix("Type"), CONFIG]
    storage_name: Annotated[SignalR[str], PvSuffix("StorageName"), CONFIG]
    storage_host: Annotated[SignalR[str], PvSuffix("StorageHost"), CONFIG]
    description: Annotated[SignalR[str], PvSuffix("Description"), CONFIG]
    start_date: Annotated[SignalR[str], PvSuffix("StartDate"), CONFIG]
    end_date: Annotated[SignalR[str], PvSuffix("EndDate"), CONFIG]
    created: Annotated[SignalR[str], PvSuffix("Created")]
    root_path: Annotated[SignalR[str], PvSuffix("RootPath"), CONFIG]
    storage_directory: Annotated[SignalR[str], PvSuffix("StorageDirectory"), CONFIG]
    data_directory: Annotated[SignalR[str], PvSuffix("DataDirectory"), CONFIG]
    analysis_directory: Annotated[SignalR[str], PvSuffix("AnalysisDirectory"), CONFIG]
    storage_url: Annotated[SignalR[str], PvSuffix("StorageURL"), CONFIG]
    users: Annotated[SignalR[Sequence[str]], PvSuffix("Users")]
    user_count: Annotated[SignalR[int], PvSuffix("UserCount")]
    file_count: Annotated[SignalR[int], PvSuffix("FileCount")]
    list: Annotated[SignalR[DMExperimentList], PvSuffix("List")]
    index: Annotated[AnsweredSetpoint[int], PvSuffix("Index")]
    new: Annotated[DMNewExperiment, PvSuffix("New:")]
