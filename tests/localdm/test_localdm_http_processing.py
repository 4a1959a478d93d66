"""Workflows and jobs over HTTP, against a real localdm process (dm-protocol.md §6)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from localdm_process import DmSaidNoError, LocalDmProcess, VendorSession, encoded, encoded_json, running_localdm
from waiting import wait_until

DEFAULT_KEYS = {"id", "owner", "status", "startTime", "endTime", "runTime", "startTimestamp", "endTimestamp"}
ENDED = ("done", "failed", "aborted")


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


@pytest.fixture(scope="module")
def proc(localdm: LocalDmProcess) -> VendorSession:
    return localdm.session("PROC")


def workflow(command: str, **keys: object) -> dict[str, object]:
    return {"name": f"wf-{uuid.uuid4().hex[:8]}", "stages": {"1": {"command": command}}, **keys}


def send_workflow(proc: VendorSession, verb: str, method: str, document: dict[str, object]) -> Any:
    query = {"allowCurrentUsername": 0, "workflow": encoded_json(document)}
    return proc.call(verb, "workflows", method, query=query)


def start(proc: VendorSession, name: str, owner: str = "dmioc", **arguments: object) -> Any:
    path = ("processingJobsByWorkflow", owner, encoded(name), "startProcessingJob")
    return proc.call("POST", *path, query={"argsDict": encoded_json(arguments)})


def job(proc: VendorSession, job_id: str) -> Any:
    return proc.call("GET", "processingJobsByOwner", "dmioc", job_id)


def ended(proc: VendorSession, job_id: str) -> Any:
    return wait_until(lambda: (one := job(proc, job_id))["status"] in ENDED and one, 20.0)


def test_workflow_life(proc: VendorSession) -> None:
    document = workflow("/bin/true", description="one")
    stored = send_workflow(proc, "POST", "addWorkflow", document)
    name, owner = str(document["name"]), "dmioc"
    assert stored["owner"] == owner and re.fullmatch("[0-9a-f]{24}", stored["id"])
    with pytest.raises(DmSaidNoError, match="ObjectAlreadyExists 15"):
        send_workflow(proc, "POST", "addWorkflow", document)
    assert send_workflow(proc, "PUT", "updateWorkflow", {**stored, "description": "two"})["description"] == "two"
    assert send_workflow(proc, "PUT", "upsertWorkflow", {**stored, "description": "three"})["id"] == stored["id"]
    assert proc.call("GET", "workflowsById", owner, stored["id"])["description"] == "three"
    query = {"queryDict": encoded_json({"name": name})}
    assert [one["id"] for one in proc.call("GET", "workflowsByOwner", owner, query=query)] == [stored["id"]]
    proc.call("DELETE", "workflowsByOwner", owner, encoded(name))
    with pytest.raises(DmSaidNoError, match=f"Workflow {name} .*does not exist"):
        proc.call("GET", "workflowsByOwner", owner, encoded(name))


def test_key_list_skip_and_limit(proc: VendorSession) -> None:
    ids = [start(proc, "example-01", filePath="/dev/null", number=number)["id"] for number in range(3)]
    for job_id in ids:
        assert ended(proc, job_id)["status"] == "done"

    def listed(**query: object) -> list[dict[str, Any]]:
        given = {"queryDict": encoded_json({"id": {"$in": ids}}), **query}
        return proc.call("GET", "processingJobsByOwner", "dmioc", query=given)

    assert [one["id"] for one in listed()] == ids
    assert all(set(one) == DEFAULT_KEYS for one in listed())
    assert listed(keyList=encoded_json("DEFAULT")) == listed()
    assert listed(keyList=encoded_json("ALL")) == [job(proc, job_id) for job_id in ids]
    assert listed(keyList=encoded_json(["id", "number", "none"])) == [
        {"id": job_id, "number": number} for number, job_id in enumerate(ids)
    ]
    assert [one["id"] for one in listed(skip=1, limit=1)] == [ids[1]]
    with pytest.raises(DmSaidNoError, match='keyList must be "DEFAULT", "ALL" or a list of keys'):
        listed(keyList=encoded_json({"a": 1}))


def test_submit_answers_the_pending_job_with_its_arguments(proc: VendorSession) -> None:
    reply = start(proc, "example-01", filePath="/dev/null", dmiocRequestId="request 1")
    assert (reply["status"], reply["countFiles"], reply["dmiocRequestId"]) == ("pending", 1, "request 1")
    assert reply["workflow"]["name"] == "example-01" and "startTime" not in reply
    with pytest.raises(DmSaidNoError, match=r"Workflow none .*does not exist") as error:
        start(proc, "none")
    assert error.value.code == 14


def test_example_01_computes_the_md5_and_leaves_a_note(proc: VendorSession, localdm: LocalDmProcess) -> None:
    done = ended(proc, start(proc, "example-01", filePath="/dev/null")["id"])
    assert done["md5Sum"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert re.fullmatch(r"\d{14}", done["timeStamp"])
    note = localdm.directory / "scratch" / done["id"] / f"notes.{done['timeStamp']}" / done["id"]
    assert [line.split()[0] for line in note.read_text().splitlines()] == ["begin", "/dev/null", "end"]


def test_progress_01_shows_how_far_it_is_and_can_be_stopped(proc: VendorSession) -> None:
    submitted = start(proc, "progress-01", filePath="any text/a b.h5")

    def output() -> str:
        stage = job(proc, submitted["id"])["workflow"]["stages"]["020-CALIBRATE"]
        return "".join(process["stdOut"] or "" for process in stage.get("childProcesses", {}).values())

    wait_until(lambda: "calibrate 10 %\n" in output(), 20.0)
    here = ("processingJobsByOwner", "dmioc", submitted["id"])
    assert proc.call("POST", *here, "stopProcessingJob")["status"] in ("aborting", "aborted")
    assert ended(proc, submitted["id"])["status"] == "aborted"
    assert proc.call("DELETE", *here)["id"] == submitted["id"]
    with pytest.raises(DmSaidNoError, match="does not exist"):
        job(proc, submitted["id"])


def test_globus_runs_are_none(proc: VendorSession) -> None:
    assert proc.call("GET", "globusRuns") == []
