"""``dmioc`` on the command line: what it prints, what it refuses in one line, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from epics_environment import server_environment
from gateway_process import CaClient, GatewayProcess, running_gateway
from localdm_process import start_localdm
from waiting import wait_until

from dmioc import __version__

URLS = {f"DM_{name}_WEB_SERVICE_URL": "http://127.0.0.1:9" for name in ("DS", "DAQ", "PROC", "CAT")}
ROOT = Path(__file__).parents[2]


def dmioc(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, with no DM in its environment but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DM_", "DMIOC_"))}
    return subprocess.run(
        [sys.executable, "-m", "dmioc", *map(str, arguments)],
        cwd=cwd,
        env=inherited | server_environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complains(answer: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line that begins with the name of the program, and nothing but log lines before it."""
    assert answer.returncode == code, answer
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    lines = [line for line in answer.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert len(lines) == 1 and lines[0].startswith("dmioc: "), answer.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> GatewayProcess:
    raise AssertionError("each test starts what it needs")


def test_a_second_gateway_is_refused_and_leaves_nothing(repeater: None, tmp_path: Path) -> None:
    with running_gateway(tmp_path / "state") as first:
        other = tmp_path / "other"
        complains(
            dmioc("run", "--state", other, "--prefix", first.prefix, cwd=tmp_path), 3, first.prefix, "already served"
        )
        assert not any(str(other) in " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
        complains(
            dmioc("run", "--state", first.state, "--prefix", "Elsewhere:", cwd=tmp_path),
            3,
            str(first.process.pid),
            str(first.state),
            "--state",
        )
        ca = CaClient(first.prefix)
        assert ca.get("Pid") == first.process.pid
        ca.close(clear_channels=True)


def test_banner_and_ctrl_c(repeater: None, tmp_path: Path) -> None:
    with running_gateway(tmp_path / "state") as gateway:
        assert len(gateway.lines) == 6
        port = server_environment()["EPICS_CA_SERVER_PORT"]
        head, _, export, export_pva, get, last = gateway.lines
        assert head.startswith(f"dmioc serves {gateway.prefix}* over Channel Access at 127.0.0.1:")
        assert str(gateway.state / "localdm") in head
        assert export.split()[0] == "export" and f"EPICS_CA_SERVER_PORT={port}" in export.split()
        assert "EPICS_CA_ADDR_LIST=127.0.0.1" in export.split()
        assert "EPICS_PVA_ADDR_LIST=127.0.0.1" in export_pva.split()
        assert get.strip() == f"caproto-get {gateway.prefix}State"
        assert "Ctrl-C" in last
        # What it says to type works.
        variables = dict(word.split("=", 1) for word in export.split()[1:] + export_pva.split()[1:])
        command = [str(Path(sys.executable).with_name("caproto-get")), get.split()[1]]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")} | variables
        # Else the tool starts a repeater that outlives it.
        environment["EPICS_CA_REPEATER_PORT"] = os.environ["EPICS_CA_REPEATER_PORT"]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert "Connected" in answer.stdout
        watch = [sys.executable, "-m", "dmioc", "watch", gateway.prefix, "--once"]
        answer = subprocess.run(watch, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert "gateway Connected" in answer.stdout
        assert gateway.stop(signal.SIGINT) == 0
        assert "Traceback" not in gateway.log()
        assert not (gateway.state / "localdm" / "localdm.json").exists()


def test_ctrl_c_while_it_starts(repeater: None, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "state")
    gateway.launch()
    try:
        children = wait_until(psutil.Process(gateway.process.pid).children, what="the process of the local DM")
        assert gateway.stop(signal.SIGINT) == 0
        assert "Traceback" not in gateway.log()
        assert not any("dmioc serves" in line for line in gateway.lines)
        for child in children:
            child.wait(timeout=30)
    finally:
        gateway.end()


SETTINGS = [
    ("[gateway]\nprefx = 'A:'\n", ["[gateway] prefx", "no such key"]),
    ("[gateway\n", ["not TOML"]),
    ("[slots]\ndaq = 'many'\n", ["[slots] daq = 'many'", "integer"]),
    ("[dm]\nbackend = 'rest'\n", ["rest", "ds_url", "DM_DS_WEB_SERVICE_URL", "DM_LOGIN_FILE"]),
    ("[dm]\nsetup_file = '/no/such/dm.setup.sh'\n", ["/no/such/dm.setup.sh", "cannot be read"]),
]


@pytest.mark.parametrize(("text", "words"), SETTINGS, ids=[text[:30] for text, _ in SETTINGS])
def test_a_wrong_settings_file_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    config = tmp_path / "dmioc.toml"
    config.write_text(text, "utf-8")
    # `config` reads the settings as `run` does, and is faster.
    complains(dmioc("config", "--config", config, cwd=tmp_path), 2, *words)
    assert not (tmp_path / "dmioc-state").exists()


def test_what_run_cannot_start_with(tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state")
    complains(dmioc("run", *state, "--config", tmp_path / "none.toml", cwd=tmp_path), 2, "none.toml", "No such file")
    complains(dmioc("run", *state, "--config", tmp_path, cwd=tmp_path), 2, str(tmp_path), "directory")
    complains(dmioc("run", *state, "--prefix", "bad prefix:", cwd=tmp_path), 2, "bad prefix:")
    complains(dmioc("run", *state, "--prefix", "X" * 60, cwd=tmp_path), 2, "60")
    complains(dmioc("run", *state, "--log-level", "LOUD", cwd=tmp_path), 2, "LOUD", "DEBUG")
    complains(dmioc("run", *state, cwd=tmp_path, environment={"DMIOC_SLOTS__DAQ": "x"}), 2, "[slots] daq = 'x'")
    assert not (tmp_path / "state").exists()
    some = {"DM_DS_WEB_SERVICE_URL": "http://127.0.0.1:9"}
    complains(dmioc("run", *state, cwd=tmp_path, environment=some), 2, "daq_url", "DM_STATION_NAME", "DM_LOGIN_FILE")
    login = {"DM_STATION_NAME": "X", "DM_LOGIN_FILE": str(tmp_path / "login")}
    bad = URLS | login | {"DM_CAT_WEB_SERVICE_URL": "127.0.0.1:9"}
    complains(dmioc("run", *state, cwd=tmp_path, environment=bad), 2, "cat_url", "127.0.0.1:9", "scheme://host:port")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "journal.sqlite").write_text("no database " * 100, "utf-8")
    (tmp_path / "login").touch(mode=0o600)
    (tmp_path / "login").write_text("user|password\n", "utf-8")
    answer = dmioc("run", "--state", broken, "--prefix", "Broken:", cwd=tmp_path, environment=URLS | login)
    complains(answer, 2, str(broken / "journal.sqlite"), "not a database")
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    complains(dmioc("run", "--state", file, cwd=tmp_path), 2, str(file))


def test_pvs(tmp_path: Path) -> None:
    table = dmioc("pvs", "WF1:St", cwd=tmp_path)
    assert table.returncode == 0 and table.stderr == ""
    names = [line.split()[0] for line in table.stdout.splitlines() if line.startswith("DEMO:DM:")]
    assert "DEMO:DM:WF1:Status" in names and "DEMO:DM:WF1:Start" in names
    assert all(name.startswith("DEMO:DM:WF1:St") for name in names)
    listed = json.loads(dmioc("pvs", "--format", "json", "--prefix", "25IDC:DM:", cwd=tmp_path).stdout)
    assert "25IDC:DM:DAQ1:FilesDone" in {row["pv"] for row in listed}
    rows = list(csv.DictReader(io.StringIO(dmioc("pvs", "--format", "csv", cwd=tmp_path).stdout)))
    assert len(rows) == len(listed) > 300
    few = dmioc("pvs", "--format", "csv", "*:Heartbeat", cwd=tmp_path, environment={"DMIOC_PREFIX": "A:"}).stdout
    assert [row["pv"] for row in csv.DictReader(io.StringIO(few))][:1] == ["A:Heartbeat"]
    complains(dmioc("pvs", "--prefix", "no good:", cwd=tmp_path), 2, "no good:")
    assert not list(tmp_path.iterdir())


def test_config_prints_a_file_that_it_reads(tmp_path: Path) -> None:
    environment = {"DMIOC_PREFIX": "25IDC:DM:", "DMIOC_SLOTS__DAQ": "3", "DMIOC_CA__INTERFACES": "127.0.0.1 10.0.0.1"}
    printed = dmioc("config", cwd=tmp_path, environment=environment).stdout
    assert 'prefix = "25IDC:DM:"' in printed
    assert 'interfaces = ["127.0.0.1", "10.0.0.1"]' in printed
    config = tmp_path / "dmioc.toml"
    config.write_text(printed, "utf-8")
    assert dmioc("config", "--config", config, cwd=tmp_path).stdout == printed
    schema = json.loads(dmioc("config", "--schema", cwd=tmp_path).stdout)
    assert {"gateway", "slots", "ca", "dm", "local"} <= set(schema["properties"])


def test_localdm_lists_its_endpoints_and_its_environment(tmp_path: Path) -> None:
    answer = dmioc("localdm", "--endpoints", cwd=tmp_path)
    assert answer.returncode == 0
    assert {"known", "assumed"} <= set(answer.stdout.split()) and "startProcessingJob" in answer.stdout
    complains(dmioc("localdm", "--env", cwd=tmp_path), 2, "no localdm has run")
    directory = tmp_path / "dm's own"
    localdm = start_localdm(directory)
    printed = dmioc("localdm", "--dir", directory, "--env", cwd=tmp_path).stdout
    localdm.stop()
    assert localdm.process.stdout is not None
    localdm.process.stdout.close()
    # As a shell takes it.
    script = f"{printed}\nenv"
    shell = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in shell.splitlines() if line.startswith("DM_"))
    assert localdm.environment.items() <= variables.items()
    complains(dmioc("localdm", "--dir", directory, "--port-base", "70000", cwd=tmp_path), 2, "70000", "65532")
    complains(dmioc("localdm", "--dir", directory, "--station", "a/b", cwd=tmp_path), 2, "a/b")


def test_render_writes_what_the_checkout_holds(tmp_path: Path) -> None:
    answer = dmioc("render", "--root", tmp_path, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    written = [Path(line.split(maxsplit=1)[1]) for line in answer.stdout.splitlines() if line.startswith("written ")]
    assert written and any(path.suffix in (".db", ".template") for path in written)
    again = dmioc("render", "--root", tmp_path, cwd=tmp_path)
    assert again.stdout.splitlines()[-1] == "nothing changed"


def test_help_and_version(tmp_path: Path) -> None:
    top = dmioc("--help", cwd=tmp_path)
    assert top.returncode == 0
    for command in ("run", "localdm", "pvs", "render", "config"):
        assert re.search(rf"^ +{command} ", top.stdout, re.MULTILINE)
        answer = dmioc(command, "--help", cwd=tmp_path)
        assert answer.returncode == 0 and f"dmioc {command}" in answer.stdout
    assert dmioc("--version", cwd=tmp_path).stdout == f"dmioc {__version__}\n"
    nothing = dmioc(cwd=tmp_path)
    assert nothing.returncode == 2 and "COMMAND" in nothing.stderr and "Traceback" not in nothing.stderr
    script = subprocess.run(
        [Path(sys.executable).with_name("dmioc"), "--version"], capture_output=True, text=True, check=True
    )
    assert script.stdout == f"dmioc {__version__}\n"
