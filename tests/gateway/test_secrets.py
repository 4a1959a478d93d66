"""The password and the session cookies stay between the gateway and DM, whatever DM answers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from echo_proxy import FAULTS, EchoProxy, echo_proxy
from gateway_process import CaClient, GatewayProcess, running_gateway
from localdm_process import running_localdm
from p4p.client.thread import Context
from waiting import wait_until

from dmioc.catalogue import Slots, station_catalogue
from dmioc.dm.rest import RestDm, RestSettings
from dmioc.errors import DmError

USER, PASSWORD, WRONG = "s25user", "gehe/im +&%=ü 17", "wröng+one &7%"
CATALOGUE = station_catalogue(Slots(daq=1, upload=1, workflow=1, stream=1))


@dataclass(frozen=True)
class Station:
    """A DM that wants a login, the proxy before it, and the settings of a gateway for it."""

    proxy: EchoProxy
    login: Path
    config: Path


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    top = tmp_path_factory.mktemp("secrets")
    (top / "dm").mkdir()
    for path in (top / "dm" / "login", top / "login"):
        path.write_text(f"{USER}|{PASSWORD}\n")
    (top / "dm" / "login").chmod(0o600)
    (top / "login").chmod(0o644)
    with running_localdm(top / "dm") as localdm, echo_proxy(localdm.urls, PASSWORD) as proxy:
        urls = "".join(f'{name.lower()}_url = "{url}"\n' for name, url in proxy.urls.items())
        config = top / "dmioc.toml"
        config.write_text(
            "[slots]\ndaq = 1\nupload = 1\nworkflow = 1\nstream = 1\n[audit]\nformat = 'both'\n"
            f'[dm]\nbackend = "rest"\nstation = "{localdm.station}"\nlogin_file = "{top}/login"\n{urls}'
        )
        yield Station(proxy, top / "login", config)


@pytest.fixture(scope="module")
def gateway(repeater: None, station: Station, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    state = tmp_path_factory.mktemp("gateway") / "state"
    with running_gateway(state, "--config", str(station.config), "--log-level", "DEBUG") as process:
        yield process


@pytest.fixture(scope="module")
def ca(gateway: GatewayProcess) -> Iterator[CaClient]:
    client = CaClient(gateway.prefix)
    client.puts("", PollPeriod=0.1, IdlePollPeriod=0.1)
    client.wait_for("State", "Connected", timeout_s=60)
    yield client
    client.close()


def spellings(secret: str) -> set[bytes]:
    """The forms in which a secret may turn up."""
    forms = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }
    forms.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    return {form.encode(codec) for form in forms for codec in ("utf-8", "latin-1")}


def found_in(content: bytes, secrets: set[str]) -> list[bytes]:
    return [form for secret in secrets for form in spellings(secret) if form in content]


def everything_shown(ca: CaClient) -> bytes:
    """Every PV over both protocols."""
    names = [pv.name for pv in CATALOGUE.scalars()]
    ca.connect(names)
    shown = [f"{name} {ca.get(name)}" for name in names]
    with Context("pva", nt=False) as pva:
        values: list[Any] = pva.get([ca.prefix + pv.name for pv in CATALOGUE], timeout=30)
        shown += [str(value.todict()) for value in values]
    return "\n".join(shown).encode()


def everything_kept(gateway: GatewayProcess) -> bytes:
    """Log, banner, and every file in the state directory: journal, autosave, audit."""
    files = [path for path in gateway.state.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"journal.sqlite", "audit.log", "audit.log.json"} <= names and any("autosave" in name for name in names), (
        names
    )
    contents = [path.read_bytes() for path in files]
    return b"\n".join([*contents, gateway.log().encode(), "\n".join(gateway.lines).encode()])


def provoke(ca: CaClient) -> None:
    """Ask DM everything, and everything by command."""
    ca.command("Refresh")
    ca.put("EXP:Name", "demo")
    ca.puts("WF1:", Name="example-01")
    ca.command("WF1:Start")
    ca.puts("DAQ1:", DataDirectory="/")
    ca.command("DAQ1:Start")
    ca.puts("MD:", Experiment="demo", RunUID="0123456789", JSON='{"a": 1}')
    ca.command("MD:Send")


def test_a_login_file_that_others_can_read_is_told(ca: CaClient, gateway: GatewayProcess, station: Station) -> None:
    words = f"login file '{station.login}' can be read by other users: chmod 600 it"
    with Context("pva", nt=False) as pva:
        texts = list(pva.get(f"{ca.prefix}Messages", timeout=30)["value.message"])
    assert words in texts and gateway.log().count(words) >= 1


@pytest.mark.timeout(600)  # some thousand gets, one by one
def test_no_secret_is_shown_or_kept_whatever_dm_answers(
    ca: CaClient, gateway: GatewayProcess, station: Station
) -> None:
    proxy = station.proxy
    provoke(ca)
    assert len(proxy.cookies) >= 4, "a session with each service"
    secrets = {PASSWORD, *proxy.cookies}
    assert found_in(everything_shown(ca), secrets) == []
    marks: list[str] = []
    for name, fault in FAULTS.items():
        proxy.fault, before = fault, proxy.faults_made
        provoke(ca)
        wait_until(lambda before=before: proxy.faults_made >= before + 4, what=f"{name} was made")
        shown = everything_shown(ca)
        assert found_in(shown, {*secrets, *proxy.cookies}) == [], name
        marks.append(ca.get("DS:Error"))
    assert any("***" in mark for mark in marks), "the answers were quoted, without the secrets"
    station.login.write_text(f"{USER}|{WRONG}\n")
    proxy.fault = None
    ca.wait_for("DS:Error", lambda text: "Incorrect username or password" in text, timeout_s=60)
    everywhere = everything_shown(ca) + everything_kept(gateway)
    assert found_in(everywhere, {*secrets, *proxy.cookies, WRONG}) == []
    assert b"DmException" in everywhere and b"Incorrect username" in everywhere, "what was looked at holds DM's words"


def test_the_settings_that_are_printed_name_the_login_file_only(station: Station) -> None:
    environment = os.environ | {"DMIOC_DM__LOGIN_FILE": str(station.login)}
    for words in (["config"], ["config", "--schema"], ["pvs"]):
        command = [sys.executable, "-m", "dmioc", *words, "--config", str(station.config)]
        ended = subprocess.run(command, capture_output=True, env=environment, timeout=30, check=True)
        assert found_in(ended.stdout + ended.stderr, {PASSWORD, WRONG, *station.proxy.cookies}) == []
        assert words != ["config"] or str(station.login).encode() in ended.stdout


def test_no_exception_carries_a_secret(station: Station, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = station.proxy
    station.login.write_text(f"{USER}|{PASSWORD}\n")
    urls = {f"{name.lower()}_url": url for name, url in proxy.urls.items()}
    settings = RestSettings(**urls, station="DEMO", login_file=station.login)  # pyright: ignore[reportArgumentType]
    shown = [repr(settings)]

    async def ask() -> None:
        for fault in FAULTS.values():
            dm = RestDm(settings)
            proxy.fault = None
            await dm.experiments()  # it is logged in
            proxy.fault = fault
            try:
                await dm.experiments()
            except DmError as error:
                shown.extend([*traceback.format_exception(error), repr(error), repr(error.args), repr(vars(error))])
            shown.extend([repr(dm), repr(vars(dm))])
            await dm.close()

    try:
        asyncio.run(ask())
    finally:
        proxy.fault = None
    assert sum("Traceback" in text for text in shown) >= len(FAULTS) - 1
    everything = "\n".join([*shown, caplog.text]).encode("utf-8", "replace")
    assert found_in(everything, {PASSWORD, *proxy.cookies}) == []
