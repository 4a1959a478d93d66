"""Draws ``opi/pictures/web.png``: the page of ``dmioc web`` for a station at work.

Run: ``python tests/web_picture.py``; with a folder as argument it draws there, also dark and on a phone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dm_control import DmControl
from epics_environment import client_environment, server_environment
from gateway_process import GatewayProcess
from playwright.sync_api import Page, sync_playwright
from pva_client import PvaContext, pva_context
from web_process import running_web

PREFIX = "25IDC:DM:"
EXPERIMENT = "smith-2026-3"
CHROMIUM = "/usr/bin/chromium"
VIEWS = {
    "web.png": ({"width": 1280, "height": 1000}, "light", False),
    "web-dark.png": ({"width": 1280, "height": 1000}, "dark", False),
    "web-phone.png": ({"width": 390, "height": 844}, "light", True),
}


class Station:
    """Puts and commands over PVAccess, names without prefix."""

    def __init__(self, context: PvaContext) -> None:
        self._context = context

    def puts(self, group: str, **values: object) -> None:
        for name, value in values.items():
            self._context.put(f"{PREFIX}{group}{name}", {"value": value}, timeout=30)

    def command(self, name: str) -> None:
        request = "record[block=true]"
        self._context.put(f"{PREFIX}{name}", {"value.index": 1}, request=request, timeout=60, get=False)


@contextmanager
def growing(files: list[Path]) -> Iterator[None]:
    """Files that a detector still writes, so that the DAQ waits for them."""
    stopped = threading.Event()

    def write() -> None:
        while not stopped.wait(0.1):
            for file in files:
                with file.open("ab") as out:
                    out.write(b"frame")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def set_to_work(station: Station, dm: DmControl, folder: Path) -> list[Path]:
    """A DAQ that runs, an upload and a job that are done, one that runs, one that failed; answers files of the DAQ."""
    station.puts("", PollPeriod=0.1, IdlePollPeriod=0.5)
    station.puts("EXP:New:", Name=EXPERIMENT, Type="25IDC", Description="In-situ strain mapping")
    station.command("EXP:New:Create")
    scans = folder / "scans"
    scans.mkdir()
    station.puts("DAQ1:", DataDirectory=str(scans), DestDirectory="raw")
    station.command("DAQ1:Start")
    for number in range(1, 25):
        (scans / f"scan_{number:04}.h5").write_bytes(os.urandom(100_000))
    setup = folder / "setup"
    setup.mkdir()
    (setup / "alignment.dat").write_bytes(os.urandom(20_000))
    station.puts("UPL1:", SourcePath=str(setup), DestDirectory="setup")
    station.command("UPL1:Run")
    dm.add_workflow("reconstruct", "/bin/sleep 0.2", "/bin/ls /no/such/file")
    for slot, name in (("WF1:", "example-01"), ("WF2:", "reconstruct"), ("WF3:", "progress-01")):
        station.puts(slot, Name=name, FilePath=str(scans / "scan_0001.h5"))
    station.command("WF1:Run")
    for name in ("WF2:Start", "WF3:Start"):
        station.command(name)
    return [scans / f"scan_{number:04}.h5" for number in range(25, 33)]


def draw(url: str, folder: Path, names: Collection[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in names:
            viewport, scheme, full_page = VIEWS[name]
            page: Page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()  # type: ignore[arg-type]
            page.goto(url)
            page.wait_for_selector('[data-slot="WF2"][data-word="Failed"]')
            page.wait_for_selector('[data-slot="WF3"][data-word="Running"]')
            page.get_by_role("tab", name="Jobs").click()
            page.wait_for_selector(".table[data-rows='3']")
            page.wait_for_function("document.querySelector('[data-slot=DAQ1] progress').value > 50")
            page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=folder / name, full_page=full_page)
        browser.close()


def main() -> None:
    """Draw all views into a folder, or into the repository the one that its README shows."""
    names = list(VIEWS)[: len(VIEWS) if len(sys.argv) > 1 else 1]
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "opi" / "pictures"
    os.environ.update(client_environment() | server_environment())
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="25idc-")))
        config = folder / "dmioc.toml"
        config.write_text('[local]\nstation = "25IDC"\n', "utf-8")
        gateway = GatewayProcess(folder / "state", "--config", str(config))
        gateway.prefix = PREFIX
        closing.callback(gateway.end)
        gateway.start()
        station = Station(closing.enter_context(pva_context()))
        files = set_to_work(station, DmControl(gateway.state / "localdm"), folder)
        closing.enter_context(growing(files))
        web = closing.enter_context(running_web(folder / "web.log", PREFIX))
        draw(web.url, pictures, names)


if __name__ == "__main__":
    main()
