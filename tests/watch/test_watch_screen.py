"""``dmioc watch`` in a real terminal of 80 x 24 against a real gateway, by its keys."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from epics_environment import client_environment
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess, running_gateway
from waiting import wait_until
from watch_terminal import END, Terminal, terminal

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

STAGES = 12
STEPS: dict[str, Any] = {
    "name": "steps-01",
    "owner": "dmioc",
    "description": "Stages of a third of a second.",
    "stages": {
        f"{number:02d}-STEP": {"command": f"/bin/sh -c 'sleep 0.3; echo step {number} is done'"}
        for number in range(1, STAGES + 1)
    },
}


def command(prefix: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "dmioc", "watch", prefix, *arguments]


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that gives a DM that hangs up soon."""
    deadline = {"DMIOC_DM__DEADLINE_S": "1.5", "DMIOC_DM__CONNECT_TIMEOUT_S": "1.5"}
    with running_gateway(tmp_path_factory.mktemp("shown") / "state", environment=deadline) as process:
        yield process


@pytest.fixture(scope="module")
def screen(gateway: GatewayProcess, ca: CaClient) -> Iterator[Terminal]:
    """The live screen over PVAccess."""
    GatewayDm(gateway).upsert_workflow(STEPS)
    with terminal(command(gateway.prefix), client_environment()) as opened:
        opened.wait_for("gateway Connected")
        opened.wait_for(lambda lines: any(one.startswith("STR2") for one in lines))
        yield opened


def line_of(lines: list[str], begin: str) -> str:
    """The line that begins with a text; empty when there is none."""
    return next((one for one in lines if one.startswith(begin)), "")


def percent(lines: list[str], slot: str) -> float:
    """The progress of a slot."""
    found = re.search(r"([\d.]+)%", line_of(lines, slot))
    return float(found.group(1)) if found else -1.0


def test_progress_of_a_job_moves(screen: Terminal, ca: CaClient) -> None:
    ca.puts("WF1:", Name="steps-01", FilePath="/dev/null")
    ca.put("WF1:Run", 1, wait=False)
    seen: list[float] = []
    filled: list[int] = []

    def is_done(lines: list[str]) -> bool:
        one = line_of(lines, "WF1")
        if "Running" in one and percent(lines, "WF1") not in seen:
            seen.append(percent(lines, "WF1"))
            filled.append(one.count("█"))
        return one.split()[1:2] == ["Done"]

    lines = screen.wait_for(is_done, timeout_s=60)
    assert len(seen) >= 4 and seen == sorted(seen) and filled == sorted(filled) and filled[-1] > filled[0]
    assert percent(lines, "WF1") == ca.get("WF1:Percent") == 100.0
    assert line_of(lines, "WF1").count("█") == 10
    assert f"{STAGES}/{STAGES}" in line_of(lines, "WF1") and "steps-01" in line_of(lines, "WF1")
    assert max(map(len, lines)) <= 80


def test_every_page_opens_by_its_key(screen: Terminal, ca: CaClient, data: Path) -> None:
    (data / "a.dat").write_text("a", "utf-8")
    ca.puts("UPL1:", SourcePath=str(data / "a.dat"))
    assert ca.command("UPL1:Run")[0] == "OK"
    wanted = {
        "2": "DAQs of the station: 0",
        "3": str(data / "a.dat")[:10],
        "4": ca.get("WF1:JobID"),
        "5": "STR1",
        "6": "UPL1:Run: OK",
        "7": ca.get("EXP:DataDirectory")[:30],
        "8": "DM data acquisition service (DAQ)",
    }
    for key, text in wanted.items():
        screen.press(key)
        screen.wait_for(text)
    screen.press("End")
    screen.wait_for("NoProgressAfter")
    screen.press("PPage")
    screen.wait_for("DM processing service (PROC)")
    screen.press("Home")
    screen.wait_for("Backend           local")
    screen.press("Right")
    screen.wait_for("Overview]")
    screen.press("Left")
    screen.wait_for("Gateway]")


def test_details_of_a_slot_show_stages_and_output(screen: Terminal, ca: CaClient) -> None:
    ca.puts("WF2:", Name="example-01", FilePath="")
    ca.command("WF2:Run")
    screen.press("1")
    screen.wait_for(lambda lines: "Failed" in line_of(lines, "WF2"))
    assert "MAJOR" in line_of(screen.lines(), "WF2")
    screen.press("Home")
    for _ in range(10):
        screen.press("Up")
    for _ in range(5):  # DAQ1 DAQ2 UPL1 UPL2 WF1 WF2
        screen.press("Down")
    screen.press("Enter")
    screen.wait_for("WF2")
    screen.wait_for("Invalid input file specification.")
    screen.press("Escape", "Up", "Enter")
    screen.wait_for(lambda lines: any(one.startswith("JobID") and ca.get("WF1:JobID") in one for one in lines))
    screen.press("End")
    screen.wait_for(f"step {STAGES} is done")
    screen.press("Escape")
    screen.wait_for("1-8 pages")  # what is typed within an instant of Escape is Alt and that key


def test_filter_and_help(screen: Terminal, ca: CaClient) -> None:
    screen.press("4")
    screen.wait_for("Newest jobs of the owner: 2")
    screen.press("/steps")  # at once, as by a fast hand or over a slow line
    screen.wait_for(lambda lines: "steps-01" in "\n".join(lines) and "example-01" not in "\n".join(lines))
    screen.press("Enter")
    screen.wait_for("only 'steps'")
    screen.press("Escape")
    screen.wait_for("example-01")
    screen.press("/steps", "Enter", "6")
    screen.wait_for(lambda lines: "Messages]" in lines[1] and "only 'steps'" in lines[23])
    screen.press("Escape")
    screen.wait_for(lambda lines: "only 'steps'" not in lines[23])
    screen.press("?")
    screen.wait_for("Nothing here writes to a PV")
    screen.press("?")
    screen.press("1")
    screen.wait_for("Overview]")


def test_dm_away_is_shown_and_nothing_of_it_is_fresh(screen: Terminal, gateway: GatewayProcess, ca: CaClient) -> None:
    ca.puts("WF3:", Name="progress-01", FilePath="/dev/null")
    ca.command("WF3:Start")
    screen.press("1")
    screen.wait_for(lambda lines: "Running" in line_of(lines, "WF3"))
    localdm = gateway.localdm()
    localdm.suspend()
    try:
        lines = screen.wait_for(lambda lines: "INVALID since" in line_of(lines, "WF3"), timeout_s=30)
        assert "was Running" in line_of(lines, "WF3") and "█" not in line_of(lines, "WF3")
        screen.wait_for(lambda lines: "gateway Disconnected MAJOR" in lines[0], timeout_s=30)
        screen.wait_for(lambda lines: sum("Disconnected MAJOR" in one for one in lines) >= 2)
    finally:
        localdm.resume()
    screen.wait_for(lambda lines: "gateway Connected" in lines[0] and "INVALID" not in "\n".join(lines), timeout_s=30)
    ca.command("WF3:Abort")
    screen.wait_for(lambda lines: line_of(lines, "WF3").split()[1:3] == ["Aborted", "MINOR"])


def is_all_lost(lines: list[str]) -> bool:
    """Whether the title and the slot say so; each PV loses its connection for itself."""
    return "gateway DISCONNECTED since" in lines[0] and "DISCONNECTED since" in line_of(lines, "WF1")


def is_all_back(lines: list[str]) -> bool:
    """Whether the title says so, the slot has its state and nothing is without connection."""
    is_done = line_of(lines, "WF1").split()[1:2] == ["Done"]
    return is_done and "gateway Connected" in lines[0] and "DISCONNECTED" not in "\n".join(lines)


def test_gateway_away_and_back(screen: Terminal, gateway: GatewayProcess, ca: CaClient) -> None:
    with terminal(command(gateway.prefix, "--protocol", "ca"), client_environment()) as over_ca:
        over_ca.wait_for("gateway Connected")
        over_ca.press("4")
        over_ca.wait_for(lambda lines: line_of(lines, ca.get("WF1:JobID")[:8]).split()[1:3] == ["steps-01", "Done"])
        over_ca.press("1")
        both = (screen, over_ca)
        for one in both:
            one.wait_for("gateway Connected")
            one.wait_for(lambda lines: "Done" in line_of(lines, "WF1"))
        gateway.stop()
        for one in both:
            lines = one.wait_for(is_all_lost)
            assert "was Done" in line_of(lines, "WF1")
            assert "goes on by itself" in "\n".join(lines) and "█" not in "\n".join(lines)
        gateway.start()
        for one in both:
            one.wait_for(is_all_back, timeout_s=30)
        over_ca.press("C-c")
        assert "Traceback" not in "\n".join(over_ca.wait_for(f"{END} 0"))


def test_q_ends_it_and_leaves_the_terminal_as_it_was(screen: Terminal) -> None:
    screen.press("q")
    lines = screen.wait_for(f"{END} 0")
    assert "Traceback" not in "\n".join(lines) and "gateway" not in "\n".join(lines)


def test_gateway_away_at_the_start_without_colours_and_a_closed_window(repeater: None) -> None:
    with terminal(command("T-NOBODY:"), client_environment() | {"NO_COLOR": "1"}) as opened:
        lines = opened.wait_for("gateway not found yet")
        assert "Nothing answers for T-NOBODY:State over PVAccess" in "\n".join(lines)
        coloured = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|4[0-7]|9[0-7])[;m]")
        assert coloured.findall("\n".join(opened.lines(with_colours=True))) == []
        children = psutil.Process(opened.pid()).children(recursive=True)
        assert children
        opened.close_window()
        wait_until(lambda: not any(one.is_running() for one in children), what="dmioc watch has ended")
