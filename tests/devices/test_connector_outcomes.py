"""Every outcome of a job, made for real: how long a plan waits, what it raises, what the signals say (field-notes 2.1)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dm_control import DmControl
from gateway_process import CaClient, GatewayProcess, running_gateway
from run_engines import run_engine
from waiting import wait_until

from dmioc.errors import CommandFailedError, GatewayLostError, JobFailedError, RefusedError, WaitTimeoutError

DEADLINE_S = 1.0
LOST_AFTER_S = 2.0
REPORTING_S = 1.0
POLLING_S = 0.1
SLACK_S = 2.0
"""For a machine that does other work too."""


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    state = tmp_path_factory.mktemp("gateway")
    config = state / "dmioc.toml"
    config.write_text(f"[dm]\ndeadline_s = {DEADLINE_S}\nconnect_timeout_s = 1\n", "utf-8")
    with running_gateway(state / "state", "--config", str(config)) as process:
        yield process


@pytest.fixture(scope="module")
def dm(gateway: GatewayProcess) -> DmControl:
    control = DmControl(gateway.state / "localdm")
    control.add_workflow("ends", "/bin/sleep 0.3")
    control.add_workflow("fails", "/bin/echo ready", "/bin/echo wrong >&2; exit 3")
    control.add_workflow("goes-on", "/bin/sleep 300")
    client = CaClient(gateway.prefix)
    client.puts("", PollPeriod=0.1, IdlePollPeriod=0.5, LostAfter=LOST_AFTER_S)
    client.close()
    return control


@dataclass(frozen=True)
class Station:
    """What an outcome is made with."""

    gateway: GatewayProcess
    dm: DmControl
    connector: Any

    def nothing(self) -> None:
        """The job is left alone."""

    def stop_job(self) -> None:
        self.connector._rpc.call("stopJob", id=self.connector.job_id.get())

    def hang_dm(self) -> None:
        with self.dm.hanging():
            wait_until(lambda: self.connector.idle, 20.0, what="the plan gives up")

    def kill_gateway(self) -> None:
        self.gateway.kill()


@dataclass(frozen=True)
class Case:
    """One outcome.

    ``action`` is done when the job runs, and time is counted from then; ``signals`` are status and stage; ``error`` is what the
    signal of that name holds a part of.
    """

    workflow: str
    action: Callable[[Station], None]
    raises: type[Exception] | None
    raises_if_asked: type[Exception] | None
    signals: tuple[str, str]
    error: str
    at_least_s: float = 0.0
    at_most_s: float = SLACK_S
    timeout_s: float = 999_999_999


CASES = {
    "done": Case("ends", Station.nothing, None, None, ("done", "01-STAGE"), ""),
    "failed": Case("fails", Station.nothing, None, JobFailedError, ("failed", "02-STAGE"), "exit status 3: wrong"),
    "aborted": Case("goes-on", Station.stop_job, None, JobFailedError, ("aborted", "01-STAGE"), ""),
    "start refused": Case(
        "no-such", Station.nothing, RefusedError, RefusedError, ("failed", "not_run"), "does not know workflow no-such"
    ),
    "reporting time-out": Case(
        "goes-on",
        Station.nothing,
        None,
        WaitTimeoutError,
        ("timeout", "01-STAGE"),
        "the time for reports, 1 s, is over; the job goes on",
        at_least_s=0.0,
        at_most_s=REPORTING_S + SLACK_S,
        timeout_s=REPORTING_S,
    ),
    "DM lost": Case(
        "goes-on",
        Station.hang_dm,
        CommandFailedError,
        CommandFailedError,
        ("unknown", "01-STAGE"),
        "DM has not answered for",
        at_least_s=LOST_AFTER_S,
        at_most_s=LOST_AFTER_S + DEADLINE_S + SLACK_S,
    ),
    "gateway killed": Case(
        "goes-on",
        Station.kill_gateway,
        GatewayLostError,
        GatewayLostError,
        ("unknown", "01-STAGE"),
        "it may go on, how it ends is not known here",
        at_least_s=LOST_AFTER_S,
        at_most_s=LOST_AFTER_S + 1.0 + SLACK_S,
    ),
}


@pytest.fixture
def connector(gateway: GatewayProcess, dm: DmControl) -> Iterator[Any]:
    from dmioc.devices import DM_WorkflowConnector

    device = DM_WorkflowConnector(name="wf", prefix=gateway.prefix, filePath="/dev/null")
    device.polling_period.put(POLLING_S)
    yield device
    if device.status.get() in ("timeout", "unknown"):  # the job goes on
        if gateway.process.poll() is not None:
            gateway.start()
        wait_until(lambda: end(device), 15.0, what="the job is stopped")
    device.destroy()
    wait_until(lambda: not followers(device), 10.0, what="no thread is left")


def end(device: Any) -> bool:
    """Whether the job has ended, after it was asked to; the gateway and its DM may just have come back."""
    try:
        device._rpc.call("stopJob", id=device.job_id.get())
    except RefusedError as error:
        return "nothing to stop" in str(error)
    except (CommandFailedError, GatewayLostError):
        return False
    return False


def followers(device: Any) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"{device.name} follows")]


@pytest.mark.parametrize(
    ("outcome", "on_failure"),
    [
        *((outcome, "report") for outcome in CASES),
        *((outcome, "raise") for outcome, case in CASES.items() if case.raises is not case.raises_if_asked),
    ],
)
def test_a_plan_ends_at_every_outcome(
    outcome: str, on_failure: str, gateway: GatewayProcess, dm: DmControl, connector: Any
) -> None:
    case = CASES[outcome]
    station = Station(gateway, dm, connector)
    connector.on_failure = on_failure
    acted_s: list[float] = []

    def act() -> None:
        wait_until(lambda: connector.status.get() != "not_run", 20.0, what="the plan begins")
        wait_until(
            lambda: connector.stage_id.get() not in ("not_run", "-n/a-") or connector.idle, 20.0, what="the job runs"
        )
        acted_s.append(time.monotonic())
        case.action(station)

    actor = threading.Thread(target=act)
    raised: Exception | None = None
    with run_engine() as engine:
        actor.start()
        try:
            engine(connector.run_as_plan(workflow=case.workflow, wait=True, timeout=case.timeout_s))
        except Exception as error:
            raised = error
        ended_s = time.monotonic()
        actor.join(20.0)
    expected = case.raises if on_failure == "report" else case.raises_if_asked
    took_s = ended_s - acted_s[0]
    signals = (connector.status.get(), connector.stage_id.get())
    shown = f"`{signals[0]}`, `{signals[1]}` | {connector.error.get()}"
    print(f"| {outcome} | {max(took_s, 0.0):.1f} s | {describe(raised)} | {shown} |")
    assert type(raised) is (expected or type(None)), raised
    assert signals == case.signals
    assert case.error in connector.error.get()
    assert case.error or not connector.error.get()
    assert case.at_least_s - POLLING_S - 0.1 <= took_s <= case.at_most_s
    assert connector.idle
    assert (connector.job_id.get() == "not_run") == (outcome == "start refused")
    wait_until(lambda: not followers(connector), 5.0, what="no thread is left")


def describe(error: Exception | None) -> str:
    return "nothing" if error is None else f"`{type(error).__name__}`"


def test_the_job_of_a_wait_that_ended_early_is_unaffected(gateway: GatewayProcess, connector: Any) -> None:
    with run_engine() as engine:
        engine(connector.run_as_plan(workflow="goes-on", timeout=REPORTING_S))
    assert connector.status.get() == "timeout"
    assert connector.getJob()["status"] == "running"
    connector._update_processing_data()
    assert connector.status.get() == "running"
    connector.status.put("timeout")  # so that the fixture ends the job
