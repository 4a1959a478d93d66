"""Records of the real DM, as dm-protocol.md §3.2, §4.4 and §6.5 hold them."""

from __future__ import annotations

from typing import Any

EXPERIMENT_ROW: dict[str, Any] = {
    "name": "chen_2026-2",
    "description": "...",
    "id": 27200,
    "primaryStorage": {"description": "APS SOJOURNER Storage", "name": "SOJOURNER", "id": 5},
    "experimentStation": {"name": "25IDC", "id": 70, "description": "Station for 25-ID-C"},
    "experimentType": {"name": "25IDC", "description": "Type for 25IDC", "id": 89},
    "createDate": "2026-04-24 14:44:05.023298-05:00",
    "updateDate": "2026-04-24 14:44:05.023298-05:00",
    "startDate": "2026-04-20 00:00:00-05:00",
    "endDate": "2026-04-27 00:00:00-05:00",
    "experimentTypeId": 89,
    "experimentStationId": 70,
    "rootPath": "chen_2026-2",
    "primaryStorageId": 5,
    "authGroupName": "chen20262-25idc-f69435",
}
EXPERIMENT_FULL: dict[str, Any] = {
    **EXPERIMENT_ROW,
    "experimentUsernameList": ["d64944", "d65123"],
    "stationName": "25IDC",
    "storageDirectory": "/gdata/dm/25IDC/chen_2026-2/chen_2026-2",
    "storageHost": "xraydtn03.xray.aps.anl.gov",
    "storageUrl": "sojourner://xraydtn03.xray.aps.anl.gov/gdata/dm/25IDC/chen_2026-2/chen_2026-2",
    "dataDirectory": "/gdata/dm/25IDC/chen_2026-2/chen_2026-2/data",
    "analysisDirectory": "/gdata/dm/25IDC/chen_2026-2/chen_2026-2/analysis",
    "systemDirectory": "/gdata/dm/25IDC/chen_2026-2/chen_2026-2/system",
    "dataDirectoryFrozen": False,
    "managedDirectoryStructure": True,
    "beamlineUserAccount": "s25idcuser",
    "beamlineAdminAccount": "s25staff",
    "emailedUsers": "d1,d2",
    "pinnedByUser": "d64944",
}
DAQ: dict[str, Any] = {
    "countFiles": 0,
    "dataDirectory": "/net/s25data/export/25-ID-C/tetramm-testing-2026-C2",
    "experimentName": "tetramm-testing-2026-C2",
    "experimentStationName": "25IDC",
    "id": "2251bce7-a8d4-40ad-b685-57be42e24d32",
    "nProcessedFiles": 0,
    "nProcessingErrors": 0,
    "startTime": 1780114297.2845373,
    "startTimestamp": "2026/05/29 23:11:37 CDT",
    "status": "running",
    "storageDirectory": "/gdata/dm/25IDC/tetramm-testing-2026-C2/data",
    "storageHost": "xraydtn03.xray.aps.anl.gov",
    "storageUrl": "sojourner://xraydtn03.xray.aps.anl.gov/gdata/dm/25IDC/tetramm-testing-2026-C2",
    "workflowJobOwner": "s25idcuser",
}
_STAGE: dict[str, Any] = {
    "command": "/bin/date +%Y%m%d%H%M%S",
    "outputVariableRegexList": ["(?P<timeStamp>.*)"],
}
JOB_SUBMITTED: dict[str, Any] = {
    "run_uid": "12345",
    "workflow": {
        "name": "example-01",
        "owner": "s25idcuser",
        "userAccount": "s25idcuser",
        "stages": {"01-START": _STAGE, "02-DONE": {"command": "/bin/true"}},
        "description": "Workflow Example 01",
        "id": "69f0c0b14409b1a741854be6",
    },
    "owner": "s25idcuser",
    "id": "3a4c943e-d01f-418e-ba36-76e962770987",
    "submissionTime": 1778252821.8895876,
    "submissionTimestamp": "2026/05/08 10:07:01 CDT",
    "countFiles": 0,
    "status": "pending",
}
JOB_ROW: dict[str, Any] = {
    "id": "3a4c943e-d01f-418e-ba36-76e962770987",
    "owner": "s25idcuser",
    "status": "failed",
    "startTime": 1778252821.891479,
    "endTime": 1778252821.8917148,
    "runTime": 0.000235,
    "startTimestamp": "2026/05/08 10:07:01 CDT",
    "endTimestamp": "2026/05/08 10:07:01 CDT",
    "errorMessage": "Invalid input file specification.",
}
STAGE_RUN: dict[str, Any] = {
    **_STAGE,
    "childProcesses": {
        "0": {
            "stageId": "010-START",
            "childProcessNumber": 0,
            "command": "/usr/bin/sudo -u s25idcuser -- /bin/date +%Y%m%d%H%M%S",
            "workingDir": None,
            "status": "done",
            "submitTime": 1778850765.9913,
            "startTime": 1778850765.9922,
            "endTime": 1778850766.0461,
            "runTime": 0.0539,
            "exitStatus": 0,
            "stdOut": "20260515081246\n",
            "stdErr": "",
            "userAccount": "s25idcuser",
        }
    },
    "nRunningChildProcesses": 0,
    "nQueuedChildProcesses": 0,
    "nCompletedChildProcesses": 1,
}
STAGE_SKIPPED: dict[str, Any] = {
    "runIf": '"mda" in "$filePath"',
    "command": "...",
    "childProcesses": {},
    "nRunningChildProcesses": 0,
    "nQueuedChildProcesses": 0,
    "status": "skipped",
}
