"""Every query by name as data: dispatch, checking and help come from this table (``pv-contract.md §9``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.catalogue import shown
from dmioc.catalogue.listing import access_text, alias_of, selected, type_text
from dmioc.engine import rpc_listings, rpc_methods
from dmioc.engine.rpc_answers import table_answer
from dmioc.engine.rpc_arguments import Argument, Given, Takes
from dmioc.engine.rpc_listings import LISTED_RECORDS
from dmioc.engine.rpc_methods import ACTIVE, MOST_JOBS, MOST_SLOTS
from dmioc.errors import ConfigurationError, RefusedError
from dmioc.model import Status
from dmioc.model.record import RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dmioc.engine.puts import RpcAnswer
    from dmioc.engine.rpc_methods import Answer, Parts


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        name: as clients call it.
        doc: what it answers or does, in one line.
        answer: the function; raises a `DmiocError` whose text is for the client.
        arguments: what it takes.
        is_command: whether it changes anything: then ``Control`` may refuse it, and it is kept on record.
        takes_more: whether other arguments are passed on as DM's own keys.
    """

    name: str
    doc: str
    answer: Answer
    arguments: tuple[Argument, ...] = ()
    is_command: bool = False
    takes_more: bool = False


async def _pvs(parts: Parts, given: Given) -> RpcAnswer:
    try:
        found = selected(parts.core.catalogue, parts.prefix, given.text("filter"))
    except ConfigurationError as error:
        raise RefusedError(str(error)) from error
    columns = {
        "pv": tuple(served.name for served in found),
        "type": tuple(type_text(served.pv) for served in found),
        "access": tuple(access_text(served.pv) for served in found),
        "unit": tuple(served.pv.unit for served in found),
        "description": tuple(served.pv.description for served in found),
        "aliasOf": tuple(alias_of(served, parts.prefix) for served in found),
    }
    return table_answer(columns, parts.now_s)


async def _help(parts: Parts, given: Given) -> RpcAnswer:
    name = given.text("name")
    if not name:
        columns = {
            "method": tuple(method.name for method in METHODS.values()),
            "arguments": tuple(_arguments_text(method) for method in METHODS.values()),
            "description": tuple(method.doc for method in METHODS.values()),
        }
        return table_answer(columns, parts.now_s)
    arguments = method_named(name).arguments
    columns = {
        "argument": tuple(argument.name for argument in arguments),
        "needed": tuple("Yes" if argument.is_needed else "No" for argument in arguments),
        "takes": tuple(argument.wanted for argument in arguments),
        "description": tuple(argument.doc for argument in arguments),
    }
    return table_answer(columns, parts.now_s)


def _arguments_text(method: Method) -> str:
    names = [argument.name if argument.is_needed else f"[{argument.name}]" for argument in method.arguments]
    return ", ".join([*names, *(["[any DM key]"] if method.takes_more else [])])


def method_named(name: str) -> Method:
    """The method; raises `RefusedError` listing all for a name that is none."""
    method = METHODS.get(name)
    if method is None:
        raise RefusedError(f"there is no method {shown(name)}; there are {', '.join(METHODS)}")
    return method


def _id(what: str) -> Argument:
    return Argument("id", f"DM's id of the {what}", is_needed=True)


def _words(kinds: Iterable[RecordKind]) -> tuple[str, ...]:
    return tuple(kind.value for kind in kinds)


_EXPERIMENT = Argument("experiment", "name of the DM experiment", is_needed=True)
_OWNER = Argument("owner", "DM user; the gateway's if not given")
_OF_EXPERIMENT = Argument("experiment", "those of this experiment only")
_TRANSFER = (
    Argument("destDirectory", "subdirectory in the experiment"),
    Argument("workflow", "workflow to start for each file"),
    Argument("workflowArgs", "its arguments", Takes.OBJECT),
    Argument("options", "other DM keys", Takes.OBJECT),
)
_PATH = Argument("path", "path of the file in the experiment", is_needed=True)
_STATUSES = ("", ACTIVE, *(status.value for status in Status))

_METHODS = (
    Method("experiment", "one experiment", rpc_methods.experiment, (Argument("name", "its name", is_needed=True),)),
    Method("experiments", "the station's experiments, newest first", rpc_methods.experiments),
    Method(
        "createExperiment",
        "create an experiment; it is not selected",
        rpc_methods.create_experiment,
        (
            Argument("name", "name of the new experiment", is_needed=True),
            Argument("type", "experiment type; the station's if not given"),
            Argument("description", "its title"),
            Argument("startDate", "a date such as 2026-11-21"),
            Argument("endDate", "a date, not before the start"),
        ),
        is_command=True,
    ),
    Method(
        "startDaq",
        "start a DAQ, or attach to the active one of the experiment and directory; answers at once",
        rpc_methods.start_daq,
        (
            _EXPERIMENT,
            Argument("dataDirectory", "the directory to watch", Takes.PATH, is_needed=True),
            *_TRANSFER,
        ),
        is_command=True,
        takes_more=True,
    ),
    Method(
        "stopDaq",
        "have DM stop a DAQ; answers when DM has taken it",
        rpc_methods.stop_daq,
        (_id("DAQ"),),
        is_command=True,
    ),
    Method("daq", "one DAQ", rpc_methods.daq, (_id("DAQ"),)),
    Method("daqs", "the station's DAQs, newest first", rpc_listings.daqs, (_OF_EXPERIMENT,)),
    Method(
        "upload",
        "start an upload; answers at once",
        rpc_methods.upload,
        (
            _EXPERIMENT,
            Argument("path", "the file or directory to upload", Takes.PATH, is_needed=True),
            Argument("mode", "file by file, or in one transfer", Takes.CHOICE, choices=("Files", "Directory")),
            Argument("reprocess", "whether unchanged files are uploaded again", Takes.YES_NO),
            *_TRANSFER,
        ),
        is_command=True,
        takes_more=True,
    ),
    Method("uploadInfo", "one upload", rpc_methods.upload_info, (_id("upload"),)),
    Method("uploads", "the station's uploads, newest first", rpc_listings.uploads, (_OF_EXPERIMENT,)),
    Method(
        "stopUpload",
        "have DM stop an upload; answers when DM has taken it",
        rpc_methods.stop_upload,
        (_id("upload"),),
        is_command=True,
    ),
    Method("workflows", "the workflows that DM knows", rpc_listings.workflows, (_OWNER,)),
    Method(
        "startWorkflow",
        "submit a job, or attach to the one that the same requestId started; answers at once",
        rpc_methods.start_workflow,
        (
            Argument("workflow", "name of the workflow", is_needed=True),
            Argument("args", "its arguments, filePath among them", Takes.OBJECT),
            Argument("requestId", "the same id never starts a second job"),
            _OWNER,
            Argument("slot", "workflow slot that is to show the job; 0 for none", Takes.WHOLE, low=0, high=MOST_SLOTS),
        ),
        is_command=True,
    ),
    Method(
        "stopJob",
        "have DM abort a job; answers when DM has taken it",
        rpc_methods.stop_job,
        (_id("job"), _OWNER),
        is_command=True,
    ),
    Method("job", "one job with its stages", rpc_methods.job, (_id("job"), _OWNER)),
    Method(
        "jobStatus",
        "how a job stands, as the gateway saw it last, for those who ask often",
        rpc_listings.job_status,
        (_id("job"), _OWNER),
    ),
    Method(
        "jobs",
        "the newest jobs, newest first",
        rpc_methods.jobs,
        (
            Argument("status", "those of this status only", Takes.CHOICE, choices=_STATUSES),
            Argument("limit", "at most so many", Takes.WHOLE, low=1, high=MOST_JOBS, default=MOST_JOBS),
        ),
    ),
    Method(
        "addMetadata",
        "add run metadata to DM's catalog as a dataset",
        rpc_methods.add_metadata,
        (
            _EXPERIMENT,
            Argument("runUid", "unique id of the run"),
            Argument("JSON", "the metadata", Takes.OBJECT, is_needed=True),
            Argument("dataset", "its name; run_uid8_ and the first 8 characters of runUid if not given"),
            Argument("workflow", "workflow that the run belongs to"),
            Argument("time", "ISO 8601 time of the run; now if not given"),
        ),
        is_command=True,
    ),
    Method(
        "fileReady",
        "whether DM calls a stored file ready for processing",
        rpc_listings.file_ready,
        (_EXPERIMENT, _PATH),
    ),
    Method(
        "record",
        "DM's own record of one object, as JSON",
        rpc_listings.record,
        (
            Argument("kind", "what it is", Takes.CHOICE, is_needed=True, choices=_words(RecordKind)),
            Argument(
                "name", "of an Experiment or Workflow; id of a DAQ, Upload or Job; path of a File", is_needed=True
            ),
            Argument("experiment", "experiment of a File"),
            _OWNER,
        ),
    ),
    Method(
        "records",
        "DM's own records of one kind, as a JSON list",
        rpc_listings.records,
        (
            Argument("kind", "what they are", Takes.CHOICE, is_needed=True, choices=_words(LISTED_RECORDS)),
            _OF_EXPERIMENT,
            _OWNER,
        ),
    ),
    Method(
        "pvs",
        "the PVs of this gateway, aliases last",
        _pvs,
        (Argument("filter", "part of a name, or a pattern with * and ?"),),
    ),
    Method("help", "the methods, or the arguments of one", _help, (Argument("name", "name of the method"),)),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _METHODS}
"""Every method by its name, in the order of the contract."""
