"""The shipped panels in PyDM against a live gateway: PyDM's own files, and MEDM's by adl2pydm.

Every channel connects, every widget shows what another client reads, what is typed and clicked reaches the gateway.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from gateway_process import CaClient, GatewayProcess
from panel_items import OPI
from pva_client import PvaContext, pva_context
from pydm_process import PyDm, pydm_process
from station_story import tell
from waiting import wait_until

from dmioc.catalogue import PV, Kind, station_catalogue

pytestmark = pytest.mark.long

CATALOGUE = station_catalogue()
PYDM = OPI / "pydm"
PANELS = [*sorted(PYDM.glob("*.ui")), *sorted((OPI / "medm").glob("*.adl"))]
LONG_PATH = (
    "/gdata/dm/2026-3/" + "a-rather-long-directory-name/" * 3 + "scan_0001"
)  # ASCII: pyepics puts no other letter right


@pytest.fixture(scope="module")
def station(gateway: GatewayProcess, ca: CaClient, tmp_path_factory: pytest.TempPathFactory) -> GatewayProcess:
    """A gateway that has had something to do."""
    tell(ca, tmp_path_factory.mktemp("story"))
    return gateway


@pytest.fixture(scope="module")
def pydm(station: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyDm]:
    with pydm_process(tmp_path_factory.mktemp("pydm")) as process:
        yield process


@pytest.fixture(scope="module")
def pva(station: GatewayProcess) -> Iterator[PvaContext]:
    with pva_context() as context:
        yield context


def macros(station: GatewayProcess) -> dict[str, str]:
    return {"P": station.prefix, "N": "1"}


def name_of(channel: str, prefix: str) -> str:
    """The PV of a channel, without prefix."""
    assert prefix in channel, channel
    return channel.rpartition("://")[2].removeprefix(prefix)


def shown_by(widget: dict[str, Any]) -> Any:
    """What a widget shows of its PV; None for a button."""
    if "text" in widget and widget["class"] == "PyDMLineEdit":
        return " ".join(widget["text"].split("\n"))
    return next((widget[key] for key in ("rows", "text", "value") if key in widget), None)


def expected_of(widget: dict[str, Any], pv: PV, value: Any) -> Any:
    """What the widget should show of a value that another client read."""
    if pv.kind is Kind.TABLE:
        columns = [list(value.value[column.name]) for column in pv.columns]
        return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    if pv.kind.has_states:
        return value.value.index if "value" in widget else pv.labels[value.value.index]
    plain = "\n".join(value.value) if pv.kind is Kind.LINES else value.value
    if "value" in widget:
        return plain
    if widget["class"] == "PyDMLineEdit" and pv.kind.is_text:
        return " ".join(plain.split("\n"))
    return f"{plain:.{pv.precision}f}" if pv.kind is Kind.DOUBLE else str(plain)


def differing(pydm: PyDm, pva: PvaContext, prefix: str, only: set[str] | None = None) -> dict[str, tuple[Any, Any]]:
    """What is shown and what another client reads, by the name of the PV, where they are not the same."""
    widgets = [one for one in pydm.ask("read")["widgets"] if shown_by(one) is not None]
    names = [name for one in widgets if (name := name_of(one["channel"], prefix)) in (only or {name})]
    values = dict(zip(names, pva.get([prefix + name for name in names], throw=True), strict=True))
    wrong: dict[str, tuple[Any, Any]] = {}
    for widget in widgets:
        name = name_of(widget["channel"], prefix)
        if name in values:
            pair = shown_by(widget), expected_of(widget, CATALOGUE[name], values[name])
            if pair[0] != pair[1]:
                wrong[name] = pair
    return wrong


@pytest.mark.parametrize("path", PANELS, ids=lambda path: path.name)
def test_every_channel_connects_and_shows_its_pv_uncut(
    path: Path, station: GatewayProcess, pydm: PyDm, pva: PvaContext
) -> None:
    pydm.open(path, macros(station))
    # Some PVs count time: what differs is read again until each has once been the same.
    wrong = differing(pydm, pva, station.prefix)
    deadline_s = time.monotonic() + 15.0
    while wrong and time.monotonic() < deadline_s:
        wrong = differing(pydm, pva, station.prefix, set(wrong))
    assert wrong == {}
    if path.parent == PYDM:  # what adl2pydm makes of MEDM's fonts and properties is its own
        assert cut_but_for_long_texts(pydm, station.prefix) == []
        assert pydm.ask("unknown")["properties"] == []


def cut_but_for_long_texts(pydm: PyDm, prefix: str) -> list[Any]:
    """Fixed texts, numbers, times and states that are wider than their labels."""
    may_be_long = {pv.name for pv in CATALOGUE if pv.kind.is_text}
    return [one for one in pydm.ask("cut")["labels"] if not one[3] or name_of(one[3], prefix) not in may_be_long]


@pytest.mark.parametrize("file", ["pydm/dmioc_daq.ui", "medm/dmioc_daq.adl"])
def test_what_is_typed_arrives_whole(file: str, station: GatewayProcess, pydm: PyDm, ca: CaClient) -> None:
    pydm.open(OPI / file, macros(station))
    for name, text in (("DestDirectory", LONG_PATH), ("Expect", "7"), ("WaitTimeout", "12.5"), ("Workflow", "x")):
        pydm.ask("type", channel=f"ca://{station.prefix}DAQ1:{name}", text=text)
        expected = {"Expect": 7, "WaitTimeout": 12.5}.get(name, text)
        ca.wait_for(f"DAQ1:{name}", expected)
        pydm.ask("type", channel=f"ca://{station.prefix}DAQ1:{name}", text="1")
        ca.wait_for(f"DAQ1:{name}", {"Expect": 1, "WaitTimeout": 1.0}.get(name, "1"))


@pytest.mark.parametrize("file", ["pydm/dmioc_workflow.ui", "medm/dmioc_workflow.adl"])
def test_a_job_is_set_up_started_and_followed(file: str, station: GatewayProcess, pydm: PyDm, ca: CaClient) -> None:
    group = f"{station.prefix}WF4:"
    pydm.open(OPI / file, {"P": station.prefix, "N": "4"})
    pydm.ask("type", channel=f"ca://{group}Name", text="example-01")
    pydm.ask("type", channel=f"ca://{group}FilePath", text=ca.get("WF1:FilePath"))
    pydm.ask("choose", channel=f"ca://{group}IfRunning", label="Refuse")
    ca.wait_for("WF4:IfRunning", "Refuse")
    before = ca.get("WF4:CmdCount")
    pydm.ask("click", channel=f"ca://{group}Run")
    ca.wait_for("WF4:CmdCount", before + 1)
    assert ca.outcome("WF4:Run") == ("OK", f"Run: job {ca.get('WF4:JobID')} is Done")

    def shown(name: str) -> str:
        return next(
            one["text"]
            for one in pydm.ask("read")["widgets"]
            if one["channel"] == f"ca://{group}{name}" and "text" in one
        )

    wait_until(lambda: shown("CmdStatus") == "OK" and "is Done" in shown("CmdMessage"), what="the outcome is shown")
    wait_until(lambda: shown("Status") == "Done", what="the state is shown")


def test_a_refusal_is_shown_with_its_reason(station: GatewayProcess, pydm: PyDm) -> None:
    pydm.open(PYDM / "dmioc_workflow.ui", {"P": station.prefix, "N": "3"})
    shown = {one["channel"].rpartition(":")[2]: one.get("text") for one in pydm.ask("read")["widgets"] if "text" in one}
    assert shown["CmdStatus"] == "Refused"
    assert "no-such-workflow" in shown["CmdMessage"]


def test_a_row_of_the_list_selects_its_experiment(station: GatewayProcess, pydm: PyDm, ca: CaClient) -> None:
    ca.put("EXP:Index", -1)
    pydm.open(PYDM / "dmioc_experiment.ui", macros(station))
    pydm.ask("press", channel=f"ca://{station.prefix}EXP:Index", text="0")
    ca.wait_for("EXP:Index", 0)
    ca.wait_for("EXP:State", "Loaded")


def test_buttons_open_the_other_panels_with_their_slot(station: GatewayProcess, pydm: PyDm) -> None:
    pydm.open(PYDM / "dmioc_overview.ui", {"P": station.prefix})
    assert pydm.ask("follow", text="DAQ 2")["opened"] == [["dmioc_daq.ui", {"P": station.prefix, "N": "2"}]]
    assert pydm.ask("follow", text="Gateway")["opened"] == [["dmioc_gateway.ui", {"P": station.prefix}]]


def ports_of(pid: int, status: str) -> set[int]:
    """Ports of the gateway's end of a process's TCP connections: those it listens at, or those it is connected to."""
    found = [one for one in psutil.Process(pid).net_connections("tcp") if one.status == status]
    return {one.laddr.port if status == psutil.CONN_LISTEN else one.raddr.port for one in found}


def test_the_released_program_opens_the_jobs_by_one_line(station: GatewayProcess, tmp_path: Path) -> None:
    listening = ports_of(station.process.pid, psutil.CONN_LISTEN)
    log_path = tmp_path / "log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [Path(sys.executable).with_name("pydm"), "-m", f"P={station.prefix}", PYDM / "dmioc_jobs.ui"],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            # The panel has scalars over Channel Access and a table over PVAccess.
            wait_until(
                lambda: len(listening & ports_of(process.pid, psutil.CONN_ESTABLISHED)) == 2,
                30.0,
                what=f"PyDM is connected over both protocols: {log_path.read_text()}",
            )
            assert process.poll() is None
        finally:
            process.kill()
    assert not re.search("ERROR|Traceback", log_path.read_text()), log_path.read_text()


def test_without_the_gateway_nothing_looks_fresh(station: GatewayProcess, pydm: PyDm) -> None:
    """The last test of the file: it ends the gateway."""
    pydm.open(PYDM / "dmioc_daq.ui", macros(station))
    assert station.stop() == 0

    def all_disconnected() -> bool:
        labels = [one for one in pydm.ask("read")["widgets"] if one["class"] == "PyDMLabel"]
        return bool(labels) and all(one["text"] == "disconnected" for one in labels)

    wait_until(all_disconnected, 15.0, what="every label says that it is disconnected")
