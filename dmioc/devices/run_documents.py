"""Collecting the documents of runs, which may be interleaved: start, descriptors and stop, not the data."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from dmioc.devices.json_values import json_text, json_value

_LOG = logging.getLogger(__name__)
FORMAT = 1
"""Version of the form in which a record is kept on disk."""
_RUN_UIDS = {"start": "uid", "descriptor": "run_start", "stop": "run_start"}
"""The documents that are collected, with the key that names their run (event-model's schemas)."""

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of one run, as values that JSON can carry.

    Attributes:
        run_uid: uid of the start document.
        experiment: the DM experiment it belongs to; empty until that is decided.
        workflow: the DM workflow it belongs to, may be empty.
        start: the start document; empty if it was not seen.
        descriptors: the event descriptors, in their order.
        stop: the stop document; None until the run has ended, and for ever if its process died before.
    """

    run_uid: str
    experiment: str = ""
    workflow: str = ""
    start: Mapping[str, object] | None = None
    descriptors: tuple[Mapping[str, object], ...] = ()
    stop: Mapping[str, object] | None = None

    def metadata(self) -> dict[str, object]:
        """What DM is given: ``start``, ``descriptors`` and ``stop``."""
        return {"start": self.start, "descriptors": list(self.descriptors), "stop": self.stop}

    def to_text(self) -> str:
        """The record as one JSON object, for a file."""
        head = {"format": FORMAT, "run_uid": self.run_uid, "experiment": self.experiment, "workflow": self.workflow}
        return json_text({**head, **self.metadata()})


def record_of(text: str) -> RunRecord:
    """The record in a file's text; raises `ValueError` telling what is wrong with it."""
    content: object = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    found = cast("dict[str, object]", content)
    if found.get("format") != FORMAT:
        raise ValueError(f"it is of format {found.get('format')!r}, this version reads {FORMAT}")
    run_uid, experiment, workflow = (found.get(key) for key in ("run_uid", "experiment", "workflow"))
    if not (isinstance(run_uid, str) and isinstance(experiment, str) and isinstance(workflow, str)):
        raise ValueError("run_uid, experiment or workflow is missing")
    start, descriptors, stop = (found.get(key) for key in ("start", "descriptors", "stop"))
    if not isinstance(descriptors, list) or not all(isinstance(one, dict | None) for one in (start, stop)):
        raise ValueError("start, descriptors or stop is not what it must be")
    documents = tuple(cast("list[Mapping[str, object]]", descriptors))
    return RunRecord(
        run_uid, experiment, workflow, cast("Document | None", start), documents, cast("Document | None", stop)
    )


@dataclass(frozen=True, slots=True)
class Belongs:
    """Which experiment and workflow a run belongs to.

    Attributes:
        experiment, workflow: of every run; empty: the run's own.
        experiment_key, workflow_key: keys of the start document that name them for a run.
    """

    experiment: str = ""
    workflow: str = ""
    experiment_key: str = "dm_experiment"
    workflow_key: str = "dm_workflow"

    def record(self, run_uid: str, start: Mapping[str, object]) -> RunRecord:
        """The record of a run that starts."""
        experiment = self.experiment or _word(start.get(self.experiment_key))
        return RunRecord(run_uid, experiment, self.workflow or _word(start.get(self.workflow_key)), start)


def _word(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


class RunDocuments:
    """The runs that are open; to be used by one thread."""

    def __init__(self, belongs: Belongs) -> None:
        self._belongs = belongs
        self._open: dict[str, RunRecord] = {}

    def take(self, name: str, document: Document) -> RunRecord:
        """Take a document that `is_collected`; answers its run as it now is, which is forgotten after its stop document."""
        run_uid = str(document.get(_RUN_UIDS[name], ""))
        content = json_document(document)
        record = self._open.get(run_uid, RunRecord(run_uid, self._belongs.experiment, self._belongs.workflow))
        if name == "start":
            record = self._belongs.record(run_uid, content)
        elif name == "descriptor":
            record = replace(record, descriptors=(*record.descriptors, content))
        else:
            record = replace(record, stop=content)
        self._open[run_uid] = record
        if name == "stop":
            del self._open[run_uid]
        return record


def is_collected(name: str) -> bool:
    """Whether documents of this name are metadata of a run: not its events, and not what tells where its data are."""
    return name in _RUN_UIDS


def json_document(document: Document) -> dict[str, object]:
    """The document as JSON can carry it; what cannot be shown at all is replaced by words."""
    found: dict[str, object] = {}
    for key, value in dict(document).items():
        try:
            found[str(key)] = json_value(value)
        except Exception as error:
            # The supervisor of values of any class, whose own code runs here: one of them must not cost the whole run.
            _LOG.warning("run metadata: %r of type %s is left out: %s", key, type(value).__name__, error)
            found[str(key)] = f"(left out: {type(value).__name__} cannot be shown: {type(error).__name__})"
    return found
