"""Pictures of every panel, for people: PyDM without a screen on a live gateway that has something to do.

Writes ``opi/pictures/*.png``; ``make pictures`` runs it. Nobody compares the pictures: fonts differ from machine to machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "streaming"))
from epics_environment import client_environment, epics_ports, is_free, repeater_process, server_environment
from panel_items import OPI
from pydm_process import pydm_process
from waiting import wait_until

if TYPE_CHECKING:
    from gateway_process import CaClient

PREFIX = "DEMO:DM:"
PICTURES = OPI / "pictures"
SLOTS = {"dmioc_workflow": "2"}
"""The slot that is shown where it is not the first."""


def work(ca: CaClient, data: Path, source: str) -> None:
    """A station in the middle of its work: the tests' story, a job half way, and a stream."""
    from station_story import tell

    ca.puts("", PollPeriod=0.2, IdlePollPeriod=1.0)
    ca.put("EXP:Name", "demo")
    tell(ca, data)
    ca.puts("WF4:", Name="stream-consume-01", FilePath="/dev/null")
    ca.puts("STR1:", WFSlot=4, Source=source, ReadyTimeout=30)
    ca.command("STR1:Offer")
    ca.command("STR1:Begin")
    ca.puts("WF2:", Name="progress-01", FilePath=str(data / "scans"), Args='{"sample": "Si wafer"}')
    ca.command("WF2:Start")
    ca.wait_for("WF2:Percent", lambda percent: percent >= 30, timeout_s=60)


def main() -> None:
    """Take the pictures."""
    os.environ.update(client_environment() | server_environment())
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(repeater_process())
        wait_until(lambda: not is_free(epics_ports().ca_repeater), what="the repeater listens")
        import epicscorelibs.path.pyepics  # noqa: F401  # before anything imports epics
        from frame_source import FrameServer  # pyright: ignore[reportMissingImports] - of tests/streaming
        from gateway_process import CaClient, GatewayProcess

        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dmioc-")))
        gateway = GatewayProcess(directory / "state")
        gateway.prefix = PREFIX
        stack.callback(gateway.end)
        gateway.start()
        detector = FrameServer()
        stack.callback(detector.stop)
        ca = CaClient(PREFIX)
        work(ca, directory / "data", detector.name)
        detector.post(range(1, 300), period_s=0.005)
        pydm = stack.enter_context(pydm_process(directory))
        for path in sorted((OPI / "pydm").glob("*.ui")):
            pydm.open(path, {"P": PREFIX, "N": SLOTS.get(path.stem, "1")})
            pydm.ask("grab", path=str(PICTURES / f"{path.stem}.png"))
        sys.stdout.write(f"pictures of {len(list(PICTURES.glob('dmioc_*.png')))} panels are in {PICTURES}\n")
        sys.stdout.flush()
    os._exit(0)  # libca's threads may hang the end of Python


if __name__ == "__main__":
    main()
