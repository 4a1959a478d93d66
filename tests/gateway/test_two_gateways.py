"""Two gateways: one prefix is served once, one station may be served twice, and clients find both on one host."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from epics_environment import LOOPBACK, client_environment, free_port, server_environment
from gateway_process import GatewayProcess, running_gateway
from localdm_process import LocalDmProcess, running_localdm
from pva_client import PvaContext, pva_context
from waiting import wait_until

IN_USE = 3


@dataclass(frozen=True)
class Ports:
    """Where one gateway serves: Channel Access, and PVAccess by TCP and by UDP."""

    ca: int
    pva: int
    broadcast: int

    def config(self, folder: Path, more: str = "") -> str:
        """A settings file with these ports."""
        path = folder / f"{self.ca}.toml"
        path.write_text(
            f"[ca]\nport = {self.ca}\n[pva]\nport = {self.pva}\nbroadcast_port = {self.broadcast}\n{more}", "utf-8"
        )
        return str(path)


def free_ports() -> Ports:
    return Ports(free_port(), free_port(), free_port())


@dataclass(frozen=True)
class Client:
    """PVs of one gateway over PVAccess, names without the prefix."""

    context: PvaContext
    prefix: str

    def get(self, name: str) -> Any:
        """The value; of an enum its label."""
        value = self.context.get(self.prefix + name, timeout=30)["value"]
        return value["choices"][value["index"]] if hasattr(value, "keys") and "choices" in value.keys() else value

    def put(self, **values: Any) -> None:
        """Puts to PVs, ``__`` for the colons."""
        for name, value in values.items():
            self.context.put(self.prefix + name.replace("__", ":"), {"value": value}, timeout=30)

    def command(self, name: str) -> None:
        """Run a command to its end; raises what the gateway answers if it is refused."""
        request = "record[block=true]"
        self.context.put(self.prefix + name, {"value.index": 1}, request=request, timeout=30, get=False)

    def ids(self, table: str) -> list[str]:
        """What a list has in its column ``id``."""
        return list(self.context.get(self.prefix + table, timeout=30)["value.id"])


@dataclass(frozen=True)
class Pair:
    """Two gateways of one DM, each with ports of its own."""

    dm: LocalDmProcess
    gateways: tuple[GatewayProcess, GatewayProcess]
    ports: tuple[Ports, Ports]


@pytest.fixture(scope="module")
def pair(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("two")
    ports = (free_ports(), free_ports())
    with running_localdm(folder / "dm") as dm:
        more = '[dm]\nbackend = "rest"\n'
        one, other = (["--config", each.config(folder, more)] for each in ports)
        with (
            running_gateway(folder / "one", *one, environment=dm.environment) as first,
            running_gateway(folder / "other", *other, environment=dm.environment) as second,
        ):
            yield Pair(dm, (first, second), ports)


@pytest.fixture(scope="module")
def clients(pair: Pair) -> Iterator[tuple[Client, Client]]:
    """A client that finds both by their name servers."""
    servers = " ".join(f"{LOOPBACK}:{ports.pva}" for ports in pair.ports)
    with pva_context(conf=_pva(EPICS_PVA_NAME_SERVERS=servers), useenv=False) as context:
        one, other = (Client(context, gateway.prefix) for gateway in pair.gateways)
        for client in (one, other):
            client.put(PollPeriod=0.1, IdlePollPeriod=0.2, EXP__Name="demo")
            wait_until(lambda client=client: client.get("EXP:State") == "Loaded", what="the experiment is loaded")
        yield one, other


def _pva(**variables: str) -> dict[str, str]:
    return {"EPICS_PVA_AUTO_ADDR_LIST": "NO", "EPICS_PVA_ADDR_LIST": "", **variables}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A gateway that is refused."""
    return subprocess.run(
        [sys.executable, "-m", "dmioc", "run", *arguments],
        cwd=folder,
        env=os.environ | server_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def last_line(refused: subprocess.CompletedProcess[str]) -> str:
    assert refused.returncode == IN_USE and refused.stdout == "" and "Traceback" not in refused.stderr, refused.stderr
    return refused.stderr.splitlines()[-1]


def test_one_prefix_is_served_once(repeater: None, tmp_path: Path) -> None:
    """Also where a search does not find the other: at other ports, and while it stands still."""
    elsewhere = free_ports().config(tmp_path)
    with running_gateway(tmp_path / "state", "--config", free_ports().config(tmp_path)) as first:
        pid, prefix, other = f"(pid {first.process.pid})", first.prefix, str(tmp_path / "other")
        for arguments in ((), ("--config", elsewhere)):
            line = last_line(run(tmp_path, "--state", other, "--prefix", prefix, *arguments))
            assert line.startswith(f"dmioc: prefix {prefix} is already served") and pid in line
        first.process.send_signal(signal.SIGSTOP)
        try:
            line = last_line(run(tmp_path, "--state", other, "--prefix", prefix, "--config", elsewhere))
            assert line.startswith(f"dmioc: prefix {prefix} is already served") and pid in line
            line = last_line(run(tmp_path, "--state", str(first.state), "--prefix", "Other:", "--config", elsewhere))
            assert line.startswith(f"dmioc: another gateway {pid} uses {first.state}")
        finally:
            first.process.send_signal(signal.SIGCONT)
        first.kill()
        first.start()  # what was killed holds nothing


def test_what_one_starts_the_other_lists(pair: Pair, clients: tuple[Client, Client], tmp_path: Path) -> None:
    one, other = clients
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.dat").write_bytes(b"a")
    below = secrets.token_hex(4)
    one.put(DAQ1__DataDirectory=str(data), DAQ1__DestDirectory=below)
    one.put(UPL1__SourcePath=str(data / "a.dat"), UPL1__DestDirectory=secrets.token_hex(4))
    one.put(WF1__Name="progress-01", WF1__FilePath="/dev/null")
    for command in ("DAQ1:Start", "UPL1:Run", "WF1:Start"):
        one.command(command)
    for name, table in (("DAQ1:ID", "DAQ:List"), ("UPL1:ID", "UPL:List"), ("WF1:JobID", "JOB:List")):
        for client in clients:
            wait_until(
                lambda client=client, name=name, table=table: one.get(name) in client.ids(table),
                what=f"{table} of {client.prefix}",
            )
    assert other.get("DAQ:Active") == 1 and other.get("JOB:Active") == 1
    # The other takes hold of both, and its Stop and Abort end them for the first.
    other.put(DAQ2__DataDirectory=str(data), DAQ2__DestDirectory=below, WF3__AttachID=one.get("WF1:JobID"))
    other.command("DAQ2:Start")
    other.command("WF3:Attach")
    assert (other.get("DAQ2:ID"), other.get("DAQ2:Attached")) == (one.get("DAQ1:ID"), 1)
    assert (other.get("WF3:JobID"), other.get("WF3:Status")) == (one.get("WF1:JobID"), one.get("WF1:Status"))
    other.command("DAQ2:Stop")
    other.command("WF3:Abort")
    wait_until(lambda: one.get("DAQ1:Status") == "Done" and one.get("WF1:Status") == "Aborted", what="both have ended")


def test_one_request_starts_one_job(pair: Pair, clients: tuple[Client, Client]) -> None:
    """One after the other: the id is in DM's job, and the second gateway finds it there."""
    request = secrets.token_hex(8)
    for client in clients:
        client.put(WF2__Name="example-01", WF2__FilePath="/etc/hostname", WF2__RequestID=request)
        client.command("WF2:Run")
    one, other = clients
    assert one.get("WF2:JobID") == other.get("WF2:JobID") != ""
    assert (one.get("WF2:Attached"), other.get("WF2:Attached")) == (0, 1)
    jobs = pair.dm.session("PROC").call("GET", "processingJobsByOwner", "dmioc")
    assert [job["id"] for job in jobs].count(one.get("WF2:JobID")) == 1


LIBCA = "import sys, epics; print(*[epics.caget(name, timeout=30) for name in sys.argv[1:]])"
P4P = """
import sys
from p4p.client.thread import Context
with Context("pva") as context:
    print(*(int(value) for value in context.get(sys.argv[1:], timeout=30)))
"""


def environments(pair: Pair) -> dict[str, Mapping[str, str]]:
    """By what a client is told: a list of hosts with ports, or of name servers."""
    clear = {name: "" for name in client_environment() if name.endswith("ADDR_LIST")}
    told = {
        "EPICS_CA_ADDR_LIST": [ports.ca for ports in pair.ports],
        "EPICS_PVA_ADDR_LIST": [ports.broadcast for ports in pair.ports],
        "EPICS_PVA_NAME_SERVERS": [ports.pva for ports in pair.ports],
    }
    automatic = {"EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
    return {
        name: os.environ | clear | automatic | {name: " ".join(f"{LOOPBACK}:{port}" for port in ports)}
        for name, ports in told.items()
    }


@pytest.mark.parametrize(
    ("variable", "command"),
    [
        ("EPICS_CA_ADDR_LIST", (sys.executable, "-c", LIBCA)),
        ("EPICS_CA_ADDR_LIST", (str(Path(sys.executable).with_name("caproto-get")), "--no-repeater", "--terse")),
        ("EPICS_PVA_ADDR_LIST", (sys.executable, "-c", P4P)),
        ("EPICS_PVA_NAME_SERVERS", (sys.executable, "-c", P4P)),
    ],
    ids=["libca", "caproto-get", "p4p by addresses", "p4p by name servers"],
)
def test_clients_find_both_on_one_host(pair: Pair, variable: str, command: tuple[str, ...]) -> None:
    names = [f"{gateway.prefix}Pid" for gateway in pair.gateways]
    found = subprocess.run(
        [*command, *names], env=environments(pair)[variable], capture_output=True, text=True, timeout=30, check=False
    )
    assert found.stdout.split() == [str(gateway.process.pid) for gateway in pair.gateways], found
