"""What an experiment's record holds, from what it is made, and its two forms on the wire (``dm-protocol.md §3.2``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec

from dmioc.localdm.answers import InvalidArgument
from dmioc.localdm.ports import Places
from dmioc.localdm.wire import experiment_date, parse_date, shortened

_DEFAULT_DAYS = 30
_LONGEST_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Station:
    """The station of this localdm, and what its records say about it."""

    name: str
    account: str
    storage_host: str
    storage_name: str = "LOCAL"


class ExperimentRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of an experiment; dates are in the form of the wire."""

    name: str
    type_name: str
    create_date: str
    update_date: str
    start_date: str
    end_date: str
    description: str = ""
    root_path: str = ""
    storage_name: str = ""
    metadata: dict[str, str] = msgspec.field(default_factory=dict[str, str])


def now_date() -> str:
    """This moment in the form of the wire."""
    return experiment_date(datetime.now())


def checked_name(name: str, what: str = "experiment name") -> str:
    """The name, if a directory can have it and a message can show it; else raises `InvalidArgument`."""
    bad = not name or name.startswith(".") or "/" in name or not name.isprintable() or name != name.strip()
    if bad or len(name.encode()) > _LONGEST_NAME_BYTES:
        rule = (
            "1 to 255 printable characters without '/', that begin with no dot and neither begin nor end with a blank"
        )
        raise InvalidArgument(f"{what} must be {rule}, not {shortened(name)}")
    return name


def text_of(document: Mapping[str, object], key: str) -> str:
    """A text in a document, or empty text when it is missing or null; raises `InvalidArgument` for anything else."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgument(f"{key} must be text, not {shortened(str(value))}")
    return value


def usernames_of(document: Mapping[str, object]) -> list[str]:
    """The ``users`` of a document: a list of names, or one text with names between commas."""
    users = document.get("users")
    if isinstance(users, list):
        names = [str(name) for name in cast(list[object], users)]
    elif users is None or isinstance(users, str):
        names = [name.strip() for name in (users or "").split(",") if name.strip()]
    else:
        raise InvalidArgument(f"users must be a list of user names, not {shortened(str(users))}")
    return list(dict.fromkeys(names))


def new_record(document: Mapping[str, object], station: Station) -> ExperimentRecord:
    """The record for what `addExperiment` was given (§3.3); dates default to today and 30 days later.

    The default of DM's own for missing dates is not known: assumed. Raises `InvalidArgument`.
    """
    start, end = (text_of(document, key) for key in ("startDate", "endDate"))
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = parse_date(start, "startDate") if start else today.astimezone()
    last = parse_date(end, "endDate") if end else first + timedelta(days=_DEFAULT_DAYS)
    if last < first:
        raise InvalidArgument(f"endDate {end} is before startDate {experiment_date(first)}")
    root = text_of(document, "rootPath").strip("/")
    now = now_date()
    return ExperimentRecord(
        name=checked_name(text_of(document, "name")),
        type_name=checked_name(text_of(document, "typeName") or station.name, "typeName"),
        create_date=now,
        update_date=now,
        start_date=experiment_date(first),
        end_date=experiment_date(last),
        description=text_of(document, "description"),
        root_path="/".join(checked_name(part, "rootPath") for part in root.split("/")) if root else "",
        storage_name=text_of(document, "storageName") or station.storage_name,
    )


def changes_of(document: Mapping[str, object]) -> dict[str, str]:
    """The fields of a record that `updateExperiment` was asked to change; raises `InvalidArgument`."""
    changes: dict[str, str] = {}
    if "description" in document:
        changes["description"] = text_of(document, "description")
    if "typeName" in document:
        changes["type_name"] = checked_name(text_of(document, "typeName"), "typeName")
    for key, field in (("startDate", "start_date"), ("endDate", "end_date")):
        if key in document:
            changes[field] = experiment_date(parse_date(text_of(document, key), key))
    return changes


def short(number: int, record: ExperimentRecord, type_id: int, station: Station) -> dict[str, object]:
    """The record as lists carry it: without directories and users."""
    kind, name = record.type_name, station.name
    content: dict[str, object] = {
        "id": number,
        "name": record.name,
        "description": record.description,
        "experimentTypeId": type_id,
        "experimentType": {"id": type_id, "name": kind, "description": f"Type for {kind}"},
        "experimentStationId": 1,
        "experimentStation": {"id": 1, "name": name, "description": f"Local station {name}"},
        "primaryStorageId": 1,
        "primaryStorage": {"id": 1, "name": record.storage_name, "description": f"{record.storage_name} storage"},
        "createDate": record.create_date,
        "updateDate": record.update_date,
        "startDate": record.start_date,
        "endDate": record.end_date,
        "authGroupName": f"{record.name}-{name}-e{number}".lower(),
    }
    return content | ({"rootPath": record.root_path} if record.root_path else {})


def full(
    summary: Mapping[str, object], record: ExperimentRecord, places: Places, users: Sequence[str], account: str
) -> dict[str, object]:
    """The record as single answers carry it: the short one, with directories, users and metadata."""
    return {
        **record.metadata,
        **summary,
        "experimentUsernameList": list(users),
        "stationName": places.station,
        "storageDirectory": str(places.storage_directory),
        "storageHost": places.storage_host,
        "storageUrl": places.storage_url,
        "dataDirectory": str(places.data_directory),
        "analysisDirectory": str(places.analysis_directory),
        "systemDirectory": str(places.storage_directory / "system"),
        "dataDirectoryFrozen": False,
        "analysisDirectoryFrozen": False,
        "managedDirectoryStructure": True,
        "beamlineUserAccount": account,
        "beamlineAdminAccount": account,
    }
