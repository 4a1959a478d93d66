"""kill -9 of the gateway at each step of its commands: what was accepted is done once, what was set is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_cycles import LONG_WORKFLOW, POINTS, Client, killed_gateway
from waiting import wait_until

pytestmark = pytest.mark.long


@pytest.mark.timeout(400)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_point(tmp_path: Path, when: str) -> None:
    points = [point for point in POINTS if point.endswith(when)]
    with killed_gateway(tmp_path) as gateway:
        for number, point in enumerate(points, start=1):
            gateway.life(f"{point}:{1 + number % 2}")
        gateway.settle()
        assert gateway.kills == len(points) + 1


def test_an_abort_that_is_carried_out_again_leaves_a_later_start_alone(tmp_path: Path) -> None:
    with killed_gateway(tmp_path) as killed:
        gateway = killed.gateway
        gateway.start()
        with Client(gateway.prefix) as client:
            client.put("WF1:Name", LONG_WORKFLOW)
            client.put("WF1:FilePath", "/first")
            client.put("WF1:Start", 1)
            wait_until(lambda: client.get("WF1:Status") == "Running", what="the job runs")
            first = client.get("WF1:JobID")
            with killed.dm.hanging():
                client.put("WF1:Abort", 1)
                wait_until(lambda: client.get("WF1:Abort") == "Busy", what="the abort is accepted")
                gateway.kill()
                gateway.start()
                with Client(gateway.prefix) as later:
                    later.put("WF1:FilePath", "/later")
                    later.put("WF1:IfRunning", 1)  # Wait
                    later.put("WF1:Start", 1)
                    wait_until(lambda: later.get("WF1:Start") == "Busy", what="the start is accepted")
        with Client(gateway.prefix) as client:
            for command in ("Start", "Abort"):
                wait_until(lambda: client.get(f"WF1:{command}") == "Idle", 30.0, what=f"{command} has ended")  # noqa: B023
            started = [job for job in killed.owned_jobs() if job["filePath"] == "/later"]
            assert [job["id"] for job in started] == [client.get("WF1:JobID")]
            assert client.get("WF1:JobID") != first
            client.put("WF1:Abort", 1)
