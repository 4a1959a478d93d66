"""Commands by ``trigger()`` and ``set(1)``: done when the contract says so, or failed with the gateway's reason."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest
from aio_devices import TRANSPORTS, connected, prepare_long_job, run, running
from dm_control import DmControl
from epics_environment import epics_ports
from gateway_process import CaClient, GatewayProcess

from dmioc.devices.aio import DMCommandStatus, DMStatus
from dmioc.errors import (
    CommandFailedError,
    RefusedError,
    WaitTimeoutError,
)


@pytest.fixture
def file(data: Path) -> Path:
    path = data / "scan.dat"
    path.write_bytes(b"one line of data\n")
    return path


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_run_is_done_when_the_job_is_done(gateway: GatewayProcess, ca: CaClient, file: Path, transport: str) -> None:
    async def main() -> None:
        slot = (await connected(gateway.prefix, transport)).workflows.wf1
        await slot.name_.set("example-01")
        await slot.file_path.set(str(file))
        status = slot.run.set(1)
        assert not status.done
        await status
        assert await slot.status.get_value() is DMStatus.DONE
        assert await slot.cmd_message.get_value() == f"Run: job {await slot.job_id.get_value()} is Done"
        await slot.start.trigger()
        await slot.wait.execute()

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_failed_job_is_in_the_words_of_dm(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        slot = (await connected(gateway.prefix, transport)).workflows.wf1
        await slot.name_.set("example-01")
        await slot.file_path.set("")
        with pytest.raises(CommandFailedError, match=r"^Run: job .* is Failed: Invalid input file specification\.$"):
            await slot.run.trigger()

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_refused_commands_say_why(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        station = await connected(gateway.prefix, transport)
        slot = station.workflows.wf2
        await slot.name_.set("")
        with pytest.raises(RefusedError, match=r"^Start: WF2:Name is empty"):
            await slot.start.trigger()
        with pytest.raises(RefusedError, match="Run takes 1, which runs it; not 0"):
            await slot.run.set(0)
        await station.experiment.new.name_.set("demo")
        with pytest.raises(RefusedError, match=r"^New:Create: .*demo"):
            await station.experiment.new.create.trigger()
        assert await station.experiment.cmd_status.get_value() is DMCommandStatus.REFUSED

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_beside_a_running_command(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    """A second Run is refused, a time limit ends only the wait, Abort ends the Run; none takes an outcome that is not its own."""

    async def main() -> None:
        station = await connected(gateway.prefix, transport)
        slot = station.workflows.wf3
        await prepare_long_job(slot)
        first = slot.run.trigger()
        await running(slot)
        with pytest.raises(RefusedError, match=r"^Run: busy"):
            await slot.run.trigger()
        with pytest.raises(WaitTimeoutError, match=r"JOB:Wait: not ended within 0\.2 s; it goes on in the gateway"):
            await station.jobs.wait.trigger(timeout=0.2)
        assert (await slot.status.get_value()).is_active
        await slot.abort.trigger()
        with pytest.raises(CommandFailedError, match=r"^Run: .*is Aborted"):
            await first
        assert await slot.status.get_value() is DMStatus.ABORTED

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_time_limit_without_one_is_the_gateways_own(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        slot = (await connected(gateway.prefix, transport)).workflows.wf3
        await prepare_long_job(slot)
        await slot.start.trigger()
        await slot.wait_timeout.set(0.3)
        with pytest.raises(CommandFailedError, match=r"^Wait: .*not within 0\.3 s"):
            await slot.wait.trigger(timeout=None)
        await slot.wait_timeout.set(86400.0)
        await slot.abort.trigger()

    run(main)


def cut_connections() -> int:
    """Cut every connection of this process to the gateway, as a switch does; the gateway goes on. Answers how many."""
    ports = (epics_ports().ca_server, epics_ports().pva_server)
    count = 0
    for connection in psutil.Process().net_connections("tcp4"):
        if connection.raddr and connection.raddr.port in ports and connection.fd >= 0:
            with socket.socket(fileno=os.dup(connection.fd)) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)
            count += 1
    return count


@pytest.fixture(scope="module")
def gated(gateway: GatewayProcess) -> str:
    """A workflow that ends when its file appears, with the exit status that stands in it."""
    command = 'until [ -s "$filePath" ]; do /bin/sleep 0.05; done; exit $(/bin/cat "$filePath")'
    DmControl(gateway.state / "localdm").add_workflow("gated", command)
    return "gated"


@pytest.mark.parametrize(("transport", "exit_status"), [("ca", 3), ("pva", 0)])
def test_lost_connection_is_not_a_lost_command(
    gateway: GatewayProcess, ca: CaClient, gated: str, data: Path, transport: str, exit_status: int
) -> None:
    """The connection is cut in the middle: the status ends when the command does, with its outcome."""

    async def main() -> None:
        slot = (await connected(gateway.prefix, transport)).workflows.wf4
        await slot.name_.set(gated)
        await slot.file_path.set(str(data / "gate"))
        status = slot.run.trigger()
        await running(slot)
        assert cut_connections() > 0
        if exit_status == 0:
            await running(slot)  # the connection is back
            assert not status.done
        (data / "gate").write_text(str(exit_status))
        if exit_status == 0:
            await status
        else:
            with pytest.raises(CommandFailedError, match=r"^Run: job .* is Failed"):
                await status

    run(main)
