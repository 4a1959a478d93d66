"""The shapes of job and child process records when they are made (``dm-protocol.md §6.5``).

Shapes that no recording shows are assumed: a child process that waits or works has ``exitStatus`` -1 (some clients need
a number there) and ends as ``aborted`` when its job is aborted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from dmioc.localdm.wire import local_timestamp
from dmioc.localdm.workflows.stage_keys import Document

FINISHED = frozenset({"done", "failed", "aborted"})
NO_EXIT_STATUS = -1
RESERVED_KEYS = frozenset(
    {
        "id",
        "owner",
        "workflow",
        "status",
        "stage",
        "submissionTime",
        "submissionTimestamp",
        "countFiles",
        "startTime",
        "startTimestamp",
        "endTime",
        "endTimestamp",
        "runTime",
        "errorMessage",
    }
)
"""Top-level keys of a job that its arguments and output variables cannot have."""


def new_document(
    job_id: str, owner: str, workflow: Document, arguments: Mapping[str, object], count_files: int
) -> Document:
    """The record of a job at its submission: the arguments, a copy of the workflow and the first bookkeeping."""
    now_s = time.time()
    return {
        **arguments,
        "workflow": workflow,
        "owner": owner,
        "id": job_id,
        "submissionTime": now_s,
        "submissionTimestamp": local_timestamp(now_s),
        "countFiles": count_files,
        "status": "pending",
    }


def new_child(stage: str, number: int, command: str, working_directory: str | None, account: str | None) -> Document:
    """The record of a command that is queued."""
    entry: Document = {
        "stageId": stage,
        "childProcessNumber": number,
        "command": command,
        "workingDir": working_directory,
        "status": "pending",
        "submitTime": time.time(),
        "exitStatus": NO_EXIT_STATUS,
        "stdOut": "",
        "stdErr": "",
    }
    return entry if account is None else entry | {"userAccount": account}
