"""The page of ``dmioc web`` in a real Chromium: what it shows is what the PVs are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from epics_environment import LOOPBACK, client_environment, free_port
from gateway_process import CaClient, GatewayProcess, running_gateway
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright
from pva_client import PvaContext, pva_context
from waiting import wait_until
from web_parts import serving_in_thread
from web_process import WebProcess, running_web

CHROMIUM = "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason="Chromium is not installed")
DESKTOP, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
SEVERITIES = ["NONE", "MINOR", "MAJOR", "INVALID"]


@dataclass(frozen=True)
class Stations:
    """Two gateways, a client of both, and the page with both."""

    first: GatewayProcess
    second: GatewayProcess
    ca: CaClient
    pva: PvaContext
    web: WebProcess


@pytest.fixture(scope="module")
def stations(gateway: GatewayProcess, ca: CaClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stations]:
    """The second one has ports of its own, and clients find it by its address."""
    folder, port = tmp_path_factory.mktemp("second"), free_port()
    config = folder / "dmioc.toml"
    config.write_text(f"[ca]\nport = {free_port()}\n[pva]\nport = {free_port()}\nbroadcast_port = {port}\n", "utf-8")
    servers = {"EPICS_PVA_ADDR_LIST": f"{LOOPBACK} {LOOPBACK}:{port}"}
    with (
        running_gateway(folder / "state", "--config", str(config)) as second,
        pva_context(conf=client_environment() | servers, useenv=False) as pva,
        running_web(folder / "web.log", gateway.prefix, second.prefix, environment=servers) as web,
    ):
        yield Stations(gateway, second, ca, pva, web)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What a page did that it should not: errors, and requests to other hosts."""

    home: str
    all: list[str]

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.all.append(f"error {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.all.append(f"{message.type} {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.home):
            self.all.append(f"request {request.url}")


@pytest.fixture(scope="module")
def opened(stations: Stations, chromium: Browser) -> tuple[Page, Complaints]:
    """The page with both stations live."""
    expect.set_options(timeout=15_000)
    page, complaints = chromium.new_page(viewport=DESKTOP), Complaints(stations.web.url, [])
    complaints.watch(page)
    page.goto(stations.web.url)
    return page, complaints


@pytest.fixture
def page(stations: Stations, opened: tuple[Page, Complaints]) -> Iterator[Page]:
    """The same page for every test, which must not complain."""
    page, complaints = opened
    for gateway in (stations.first, stations.second):
        expect(section(page, gateway)).to_have_attribute("data-state", "connected")
    yield page
    assert complaints.all == []


def section(page: Page, gateway: GatewayProcess) -> Any:
    return page.locator(f'section[data-prefix="{gateway.prefix}"]')


def of(page: Page, gateway: GatewayProcess, name: str) -> Any:
    """The element that shows a PV."""
    return page.locator(f'[data-pv="{gateway.prefix}{name}"]').first


def shown(page: Page) -> dict[str, dict[str, str]]:
    """What the page shows of every PV that is no table."""
    script = "all => all.map(({dataset: {pv, conn, sev, value}}) => [pv, {pv, conn, sev, value}])"
    return dict(page.locator("[data-value]").evaluate_all(script))


def test_every_value_is_that_of_the_pv(stations: Stations, page: Page) -> None:
    for gateway in (stations.first, stations.second):
        expect(of(page, gateway, "State")).to_have_attribute("data-value", "Connected")
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    expect(of(page, stations.second, "STR2:HeartbeatAge")).to_have_attribute("data-conn", "true")
    names = list(shown(page))
    assert len(names) > 300, len(names)

    def differing() -> set[str]:
        before, on_page, after = read_all(stations.pva, names), shown(page), read_all(stations.pva, names)
        return {name for name in names if not is_between(on_page[name], before[name], after[name])}

    still = set(names)

    def all_were_equal() -> bool:
        still.intersection_update(differing())
        return not still

    try:
        wait_until(all_were_equal, what="every value was equal at some look")
    finally:
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = false; })")
        assert still == set()


def read_all(pva: PvaContext, names: list[str]) -> dict[str, dict[str, str]]:
    """What the page should show of the PVs, by another client."""
    return {name: expected(name, value) for name, value in zip(names, pva.get(names), strict=True)}


def expected(name: str, value: Any) -> dict[str, str]:
    content = value["value"]
    if hasattr(content, "keys"):
        content = content["choices"][content["index"]]
    elif isinstance(content, list):
        content = "\n".join(content)
    elif isinstance(content, float) and content.is_integer():
        content = int(content)
    return {"pv": name, "conn": "true", "sev": SEVERITIES[value["alarm.severity"]], "value": str(content)}


def is_between(on_page: dict[str, str], before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether it is one of the two, or a number that has grown meanwhile is in between."""
    if on_page in (before, after):
        return True
    same = {key: on_page[key] for key in ("pv", "conn", "sev")}.items()
    if not (same <= before.items() and same <= after.items()) or before["value"] == after["value"]:
        return False
    return float(before["value"]) <= float(on_page["value"]) <= float(after["value"])


def test_an_upload_live(stations: Stations, page: Page, tmp_path: Path) -> None:
    (tmp_path / "scan_001.dat").write_bytes(b"1" * 1000)
    card = section(page, stations.first).locator('[data-slot="UPL1"]')
    expect(card).to_have_attribute("data-idle", "true")
    stations.ca.puts("UPL1:", SourcePath=str(tmp_path), DestDirectory="from the page's test")
    assert stations.ca.command("UPL1:Run")[0] == "OK"
    expect(card).to_have_attribute("data-word", "Done")
    expect(card.locator("progress")).to_have_js_property("value", 100)
    expect(card.locator(".subject")).to_have_text(str(tmp_path))
    expect(card.locator(".times")).to_contain_text("changed ")
    page.get_by_role("tab", name="Uploads").first.click()
    row = section(page, stations.first).locator("tbody tr").first
    expect(row).to_contain_text(str(tmp_path))
    expect(row.locator('[data-label="percent"]')).to_have_text("100 %")


def test_every_table_and_its_tabs_by_keys(stations: Stations, page: Page) -> None:
    stations.ca.puts("WF1:", Name="example-01", FilePath="/etc/hostname")
    assert stations.ca.command("WF1:Run")[0] == "OK"
    home = section(page, stations.first)
    tabs = home.get_by_role("tab")
    tabs.first.click()
    for index, tab in enumerate(tabs.all()):
        if index:
            page.keyboard.press("ArrowRight")
        expect(tab).to_be_focused()
        expect(tab).to_have_attribute("aria-selected", "true")
        pv = str(tab.get_attribute("data-table"))
        read = stations.pva.get(pv, timeout=30)
        columns = list(read["value"].keys())
        rows = len(read[f"value.{columns[0]}"])
        panel = home.get_by_role("tabpanel")
        expect(panel.locator(".table")).to_have_attribute("data-rows", str(rows))
        assert panel.locator("th").all_text_contents() == columns
        assert panel.locator("tbody tr").count() == min(rows, 50)
    page.keyboard.press("ArrowRight")
    expect(tabs.first).to_be_focused()


def test_the_filter_of_a_table(stations: Stations, page: Page) -> None:
    home = section(page, stations.first)
    home.get_by_role("tab", name="Workflows").click()
    names = list(stations.pva.get(f"{stations.first.prefix}WF:List")["value.name"])
    expect(home.locator(".table")).to_have_attribute("data-rows", str(len(names)))
    home.get_by_role("searchbox").fill("EXAMPLE-01")
    expect(home.locator("tbody tr")).to_have_count(sum("example-01" in name for name in names))
    expect(home.locator(".note")).to_contain_text(f"of {len(names)} rows")


def test_a_gateway_that_is_away_and_comes_back(stations: Stations, page: Page) -> None:
    gone, stays = section(page, stations.second), section(page, stations.first)
    assert stations.second.stop() == 0
    expect(gone).to_have_attribute("data-state", "disconnected")
    expect(gone.locator(".notice")).to_contain_text("Disconnected since ")
    expect(gone.locator('[data-value]:not([data-conn="false"])')).to_have_count(0)
    assert {element.get_attribute("data-value") for element in gone.locator("[data-value]").all()} == {""}
    assert set(gone.locator("dd.value").all_text_contents()) == {"–"}, "no old value is left"
    expect(gone.locator(".table .note")).to_have_text("no connection")
    expect(stays).to_have_attribute("data-state", "connected")
    expect(page.locator(f'nav [data-station="{stations.second.prefix}"]')).to_have_attribute(
        "data-state", "disconnected"
    )
    stations.second.start()
    # The client library searches at most half a minute after it has searched in vain, as on a machine under load.
    expect(gone).to_have_attribute("data-state", "connected", timeout=35_000)
    expect(gone.locator(".notice")).to_be_hidden()
    started = stations.pva.get(f"{stations.second.prefix}StartTime", timeout=60)["value"]
    gone.get_by_text("Gateway and experiment").click()
    expect(of(page, stations.second, "StartTime")).to_have_attribute("data-value", started)


def test_values_of_a_dm_that_is_away_are_invalid(stations: Stations, page: Page) -> None:
    stations.ca.puts("WF1:", Name="example-01", FilePath="/etc/hostname")
    assert stations.ca.command("WF1:Run")[0] == "OK"
    card, status = section(page, stations.first).locator('[data-slot="WF1"]'), of(page, stations.first, "WF1:Status")
    expect(card).to_have_attribute("data-word", "Done")
    with DmControl(stations.first.state / "localdm").hanging():
        expect(status).to_have_attribute("data-sev", "INVALID")
        expect(status).to_have_attribute("data-value", "Done")
        expect(card.locator(".times")).to_contain_text("INVALID (COMM): last known ")
        expect(of(page, stations.first, "PROC:State")).to_have_attribute("data-value", "Disconnected")
        expect(of(page, stations.second, "PROC:State")).to_have_attribute("data-value", "Connected")
    expect(status).to_have_attribute("data-sev", "NONE")


def test_the_web_server_is_away_and_comes_back(stations: Stations, chromium: Browser) -> None:
    """Without the check for complaints: a browser tells of each connection that fails."""
    page = chromium.new_page()
    with serving_in_thread(stations.first.prefix) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        expect(section(page, stations.first)).to_have_attribute("data-state", "connected")
    expect(page.locator("#link")).to_have_attribute("data-link", "closed")
    expect(section(page, stations.first)).to_have_attribute("data-state", "disconnected")
    expect(page.locator('[data-value]:not([data-conn="false"])')).to_have_count(0)
    with serving_in_thread(stations.first.prefix, port):
        expect(section(page, stations.first)).to_have_attribute("data-state", "connected")
        expect(of(page, stations.first, "State")).to_have_attribute("data-value", "Connected")
        page.close()


def test_on_a_phone(stations: Stations, chromium: Browser) -> None:
    page = chromium.new_page(viewport=PHONE)
    page.goto(stations.web.url)
    colours: set[str] = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2, "dark is dark"
    for gateway in (stations.first, stations.second):
        expect(of(page, gateway, "State")).to_have_attribute("data-value", "Connected")
    for name in ("Jobs", "Messages", "Workflows"):
        section(page, stations.first).get_by_role("tab", name=name).click()
        expect(section(page, stations.first).locator(".table")).to_have_attribute("data-conn", "true")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"{name}: {width} pixels wide"
    page.close()
