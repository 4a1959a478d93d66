"""The job behind a streaming session: started with it, followed, stopped, found again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from stream_station import PREFIX, ScriptedDm, Station, new_station, run, station_in

from dmioc.catalogue import Slots
from dmioc.engine.puts import CommandState
from dmioc.errors import DmNotFoundError, DmUnreachableError
from dmioc.model import Status


def prepare(station: Station, **values: str) -> None:
    """WF1: is set up, and STR1: starts it."""
    for name, value in {"Name": "xpcs", **values}.items():
        assert station.put(f"WF1:{name}", value).result().is_ok
    station.puts(WFSlot=1, Source="CAM:Image")


async def started(station: Station) -> str:
    """Offer a session with its job; answers the job's id."""
    prepare(station)
    await station.offered()
    await station.until(lambda: station.get("JobID"))
    return station.get("JobID")


def test_workflow_is_started_with_the_sessions_arguments(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station, Args='{"smooth": "sqmap"}', FilePath="/data/x.h5", RequestID="used-before")
        offer = await station.offered()
        await station.until(lambda: station.get("JobID"))
        assert station.dm.jobs_by_id["job-1"].arguments == {
            "filePath": "/data/x.h5",
            "smooth": "sqmap",
            "reportPv": f"{PREFIX}STR1:Report",
            "commandPv": f"{PREFIX}STR1:Command",
            "sourcePv": "CAM:Image",
            "session": station.get("Session"),
            "epoch": 1,
            "dmiocRequestId": station.get("Session"),
        }
        assert station.get("WF1:JobID") == station.get("JobID") == "job-1"
        assert (station.get("WFSlot_RBV"), station.get("State")) == (1, "Offered")
        await station.reported("Accepted", "Ready")
        assert (await offer).is_ok
        await station.put("Abort", 1)

    run(tmp_path, use)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"Args": '{"session": "mine"}'}, "session stands in WF1:Args and in STR1:Offer"),
        ({"Arg1Key": "sourcePv", "Arg1Value": "x"}, "sourcePv stands in WF1:Arg1Key and in STR1:Offer"),
        ({"Name": ""}, "WF1:Name is empty"),
        ({"Args": "{"}, "WF1:Args is not JSON"),
    ],
)
def test_what_cannot_be_started_is_refused_and_nothing_changes(
    tmp_path: Path, values: dict[str, str], words: str
) -> None:
    async def use(station: Station) -> None:
        prepare(station, **values)
        outcome = await station.put("Offer", 1)
        assert outcome.state is CommandState.REFUSED and words in outcome.message
        assert (station.get("State"), station.get("Epoch"), station.dm.jobs_by_id) == ("Idle", 0, {})

    run(tmp_path, use)


def test_slot_that_starts_a_job_already_is_busy(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station)
        station.dm.may_start.clear()
        start = station.put("WF1:Start", 1)
        await station.until(lambda: station.dm.jobs_by_id)
        outcome = await station.put("Offer", 1)
        assert outcome.state is CommandState.REFUSED and "busy: WF1:" in outcome.message
        station.dm.may_start.set()
        assert (await start).is_ok

    run(tmp_path, use)


@pytest.mark.parametrize(
    "error",
    [DmNotFoundError("no workflow xpcs", 14), DmUnreachableError("connection refused", request_sent=False)],
)
def test_session_fails_when_dm_does_not_start_it(tmp_path: Path, error: Exception) -> None:
    async def use(station: Station) -> None:
        prepare(station)
        station.dm.start_error = error
        outcome = await station.put("Offer", 1)
        assert outcome.state is CommandState.FAILED
        assert "the workflow was not started" in outcome.message and str(error) in outcome.message
        assert station.get("State") == "Failed"

    run(tmp_path, use)


def test_wfslot_is_one_of_the_slots(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        assert station.put("WFSlot", 3).result().state is CommandState.REFUSED
        assert station.put("WFSlot", -1).result().state is CommandState.REFUSED

    run(tmp_path, use)


def test_job_that_fails_ends_the_session_with_its_error(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station)
        offer = await station.offered()
        await station.until(lambda: station.get("JobID"))
        station.dm.finish("job-1", Status.FAILED, "cannot import torch")
        outcome = await offer
        assert outcome.state is CommandState.FAILED
        assert outcome.message.endswith("job job-1 is Failed before the workflow said Done: cannot import torch")
        assert (station.get("State"), station.get("Error")) == (
            "Failed",
            "job job-1 is Failed before the workflow said Done: cannot import torch",
        )

    run(tmp_path, use, polls=True)


@pytest.mark.parametrize(
    ("status", "state"),
    [(Status.DONE, "Done"), (Status.ABORTED, "Failed"), (Status.TIMED_OUT, "Failed"), (Status.SKIPPED, "Failed")],
)
def test_end_of_the_job_is_the_end_of_the_session(tmp_path: Path, status: Status, state: str) -> None:
    async def use(station: Station) -> None:
        await started(station)
        await station.reported("Accepted", "Ready")
        station.dm.finish("job-1", status)
        await station.until(lambda: station.get("State") == state)
        assert bool(station.get("Error")) == (state == "Failed")

    run(tmp_path, use, polls=True)


def test_job_that_ends_after_done_changes_nothing(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await started(station)
        await station.reported("Ready")
        await station.until(lambda: station.get("Offer") == "Idle")
        assert (await station.put("Begin", 1)).is_ok
        await station.reported("Done")
        station.dm.finish("job-1", Status.FAILED, "at exit")
        await station.until(lambda: station.get("WF1:Status") == "Failed")
        assert (station.get("State"), station.get("Error")) == ("Done", "")

    run(tmp_path, use, polls=True)


def test_job_is_followed_when_its_slot_holds_another(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await started(station)
        assert (await station.put("WF1:Start", 1)).is_ok
        assert station.get("WF1:JobID") == "job-2"
        station.dm.finish("job-2", Status.FAILED, "none of ours")
        await station.until(lambda: station.get("WF1:Status") == "Failed")
        assert station.get("State") == "Offered"
        station.dm.finish("job-1", Status.FAILED, "boom")
        await station.until(lambda: station.get("State") == "Failed")
        assert "job-1" in station.get("Error")

    run(tmp_path, use, polls=True)


def test_job_that_dm_forgot_ends_the_session(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await started(station)
        assert (await station.put("WF1:Start", 1)).is_ok
        del station.dm.jobs_by_id["job-1"]
        await station.until(lambda: station.get("State") == "Failed")
        assert "DM no longer knows job job-1" in station.get("Error")

    run(tmp_path, use, polls=True)


def test_dm_that_is_away_does_not_end_a_session(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await started(station)
        await station.reported("Accepted", "Ready")
        station.dm.away = True
        await station.until(lambda: station.get("PROC:State") == "Disconnected")
        for _ in range(20):
            station.clock.at_s += 20.0
            await station.reported("Ready")
        await station.until(lambda: station.get("PROC:Age") > 300.0, "time has passed")
        assert station.get("State") == "Ready"
        assert (await station.put("Begin", 1)).is_ok
        # The command does not wait for DM to answer, and the session ends whether DM does or not.
        assert (await station.put("Abort", 1)).is_ok
        assert station.get("State") == "Aborted"
        await station.until(lambda: any("was to stop with its session" in text for text in station.messages()))

    run(tmp_path, use, polls=True)


def test_abort_stops_the_job(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await started(station)
        assert (await station.put("Abort", 1)).is_ok
        assert station.get("State") == "Aborted"
        await station.until(lambda: station.dm.stopped == ["job-1"])
        await station.until(lambda: station.get("WF1:Status") == "Aborted")

    run(tmp_path, use, polls=True)


def test_abort_while_dm_starts_the_job_stops_it_afterwards(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station)
        station.dm.may_start.clear()
        offer = await station.offered()
        await station.until(lambda: station.dm.jobs_by_id)
        assert (await station.put("Abort", 1)).is_ok
        assert (await offer).state is CommandState.FAILED
        assert station.dm.stopped == []
        station.dm.may_start.set()
        await station.until(lambda: station.dm.stopped == ["job-1"])
        assert station.get("State") == "Aborted"

    run(tmp_path, use)


def test_offer_ends_in_time_while_dm_hangs(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station)
        station.puts(ReadyTimeout=30.0)
        station.dm.may_start.clear()
        offer = await station.offered()
        await station.until(lambda: station.dm.jobs_by_id)
        station.passes(31.0)
        outcome = await offer
        assert outcome.state is CommandState.FAILED and "ReadyTimeout" in outcome.message

    run(tmp_path, use)


def test_offer_that_waits_for_another_job_is_given_up_by_abort(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        prepare(station, IfRunning="Wait")
        assert (await station.put("WF1:Start", 1)).is_ok
        offer = await station.offered()
        await asyncio.sleep(0)
        assert (await station.put("Abort", 1)).is_ok
        assert not (await offer).is_ok
        # The slot is free again, and nothing more was started.
        await station.until(lambda: not station.slot._job._tasks)
        assert list(station.dm.jobs_by_id) == ["job-1"]
        assert station.dm.stopped == []

    run(tmp_path, use, polls=True)


def test_restart_follows_the_job(tmp_path: Path) -> None:
    async def main() -> None:
        dm = ScriptedDm()
        async with station_in(tmp_path, dm) as station:
            await started(station)
            await station.reported("Accepted")
        async with station_in(tmp_path, dm, polls=True) as restarted:
            assert (restarted.get("State"), restarted.get("JobID")) == ("Accepted", "job-1")
            dm.finish("job-1", Status.FAILED, "boom")
            await restarted.until(lambda: restarted.get("State") == "Failed")
            assert "boom" in restarted.get("Error")

    asyncio.run(main())


def test_restart_in_the_middle_of_the_submission_finds_the_job(tmp_path: Path) -> None:
    async def main() -> None:
        dm = ScriptedDm()
        dm.may_start.clear()
        async with station_in(tmp_path, dm) as station:
            prepare(station)
            await station.offered()
            await station.until(lambda: dm.jobs_by_id)
        assert list(dm.jobs_by_id) == ["job-1"]
        async with station_in(tmp_path, dm, polls=True) as restarted:
            assert restarted.get("JobID") == ""
            await restarted.until(lambda: restarted.get("JobID") == "job-1")
            await restarted.reported("Accepted", "Ready")
            dm.finish("job-1", Status.DONE)
            await restarted.until(lambda: restarted.get("State") == "Done")
        assert list(dm.jobs_by_id) == ["job-1"]

    asyncio.run(main())


def test_restart_before_the_submission_ends_the_session(tmp_path: Path) -> None:
    async def main() -> None:
        dm = ScriptedDm()
        station = new_station(tmp_path, dm)
        prepare(station)
        # As a crash would leave it: the session is on disk, and nothing was asked of DM.
        station.slot._job.start = lambda start: None
        await station.offered()
        await station.gateway.stop()
        async with station_in(tmp_path, dm, polls=True) as restarted:
            await restarted.until(lambda: restarted.get("State") == "Failed")
            assert "ended before it had started the workflow" in restarted.get("Error")
        assert dm.jobs_by_id == {}

    asyncio.run(main())


def test_restart_with_fewer_workflow_slots_still_follows_the_job(tmp_path: Path) -> None:
    async def main() -> None:
        dm = ScriptedDm()
        async with station_in(tmp_path, dm) as station:
            await started(station)
        restarted = new_station(tmp_path, dm, slots=Slots(workflow=0, stream=1))
        try:
            dm.finish("job-1", Status.DONE)
            assert await restarted.slot.poll()
            assert restarted.get("State") == "Done"
        finally:
            await restarted.gateway.stop()

    asyncio.run(main())
