"""The gateway under procServ: killed, restarted and still following its jobs; held where a restart would not help; its log."""

from __future__ import annotations

import getpass
import grp
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from boot_scripts import IOC_BOOT, SCRIPTS, checkout
from gateway_process import CaClient
from procserv_console import CONTROL_Q, CONTROL_T, CONTROL_X, RETURN, ProcServ, procserv
from waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("procServ") is None, reason="procServ is not installed")

LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVES = "dmioc serves"


@pytest.fixture(scope="module")
def settings() -> str:
    """As in the example for the local DM, with a prefix and ports of our own."""
    text = (IOC_BOOT / "iocdm" / "dmioc.local.toml").read_text("utf-8").replace("port_base = 22236", "port_base = 0")
    return text.replace("DEMO:DM:", f"T{secrets.token_hex(3)}:")


@pytest.fixture(scope="module")
def ioc(repeater: None, settings: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcServ]:
    """``run_procserv`` in the directory of a station that links to a checkout."""
    boot = checkout(tmp_path_factory.mktemp("procserv")).with_name("ioc25idc")
    boot.mkdir()
    for name in SCRIPTS:
        (boot / name).symlink_to(f"../iocdm/{name}")
    (boot / "dmioc.toml").write_text(settings)
    with procserv(boot) as running:
        running.wait_for_log(SERVES)
        yield running


@pytest.fixture(scope="module")
def prefix(settings: str) -> str:
    return next(line.split('"')[1] for line in settings.splitlines() if line.startswith("prefix"))


def gateway_of(ioc: ProcServ) -> psutil.Process:
    """The process of the gateway itself; what ends at this moment is passed over."""
    for one in ioc.children():
        with suppress(psutil.Error):
            if "run" in one.cmdline() and "dmioc" in " ".join(one.cmdline()):
                return one
    raise AssertionError("the gateway does not run")


def client(prefix: str) -> CaClient:
    ca = CaClient(prefix)
    ca.puts("", PollPeriod=0.1, IdlePollPeriod=0.3)
    return ca


def test_killed_it_is_restarted_and_still_follows_its_jobs(ioc: ProcServ, prefix: str, tmp_path: Path) -> None:
    ca = client(prefix)
    ca.put("EXP:Name", "demo")
    ca.wait_for("EXP:State", "Loaded")
    ca.puts("WF1:", Name="progress-01", FilePath="/dev/null")
    ca.puts("DAQ1:", DataDirectory=str(tmp_path), DestDirectory=secrets.token_hex(4))
    for command in ("WF1:Start", "DAQ1:Start"):
        assert ca.command(command)[0] == "OK", ca.outcome(command)
    ca.wait_for("WF1:Status", "Running")
    names = ("WF1:JobID", "WF1:Workflow_RBV", "DAQ1:ID", "EXP:Name")
    before, pid = {name: ca.get(name) for name in names}, ca.get("Pid")
    assert pid in [one.pid for one in ioc.children()]
    ca.close(clear_channels=True)

    os.kill(pid, signal.SIGKILL)
    log = ioc.wait_for_log(SERVES, 2)
    assert "was left running: taken over" in log

    ca = client(prefix)
    assert ca.get("Pid") != pid
    ca.wait_for("WF1:Status", "Running")
    assert {name: ca.get(name) for name in names} == before
    # It does follow them: stages go on, and a new file is seen.
    (tmp_path / "new.dat").write_bytes(b"new")
    ca.wait_for("DAQ1:LastFile", lambda text: text.endswith("new.dat"))
    assert ca.command("WF1:Abort")[0] == "OK"
    assert ca.get("WF1:Status") == "Aborted"
    assert ca.command("DAQ1:Stop")[0] == "OK"
    ca.close(clear_channels=True)


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_logrotate_puts_its_log_aside_and_it_goes_on_in_a_new_one(ioc: ProcServ, tmp_path: Path) -> None:
    text = (IOC_BOOT / "etc" / "logrotate.conf").read_text("utf-8")
    group = grp.getgrgid(os.getgid()).gr_name
    for there, here in {
        "su dmioc dmioc": f"su {getpass.getuser()} {group}",
        "/var/log/dmioc/*.log {": f"{ioc.boot}/*.log {{",
        "/run/dmioc/*.info": f"{ioc.boot}/*.info",
    }.items():
        assert text.count(there) == 1
        text = text.replace(there, here)
    config = tmp_path / "logrotate.conf"
    config.write_text(text)
    config.chmod(0o644)
    ioc.boot.chmod(0o755)
    state = ("--state", str(tmp_path / "state"), str(config))

    assert LOGROTATE is not None
    tried = subprocess.run([LOGROTATE, "--debug", *state], capture_output=True, text=True, timeout=60, check=True)
    assert "error" not in tried.stderr and str(ioc.log_path) in tried.stderr, tried.stderr
    assert ioc.pid() == ioc.process.pid
    subprocess.run([LOGROTATE, "--force", *state], capture_output=True, text=True, timeout=60, check=True)
    aside = ioc.log_path.with_name(f"{ioc.log_path.name}.1")
    assert SERVES in aside.read_text()
    gateway_of(ioc).send_signal(signal.SIGUSR1)
    ioc.wait_for_log('resources {"fds"')
    assert SERVES not in ioc.log()


def test_it_is_held_after_a_wrong_setting_and_hears_signals_though_procserv_blocks_them(
    ioc: ProcServ, settings: str
) -> None:
    (ioc.boot / "dmioc.toml").write_text(settings.replace("prefix", "prefx"))
    ioc.type(CONTROL_X)
    log = ioc.wait_for_log("st.procserv: ended with 2")
    # ^X had ended the gateway in order.
    assert "stopping" in log and "[gateway] prefx: there is no such key" in log
    starts = log.count("Restarting child")
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: ioc.log().count("Restarting child") > starts, 1.8)
    (ioc.boot / "dmioc.toml").write_text(settings)
    ioc.type(RETURN)
    ioc.wait_for_log(SERVES)
    # For good: no more starts, stop, end of procServ. Nothing is left, the local DM neither.
    gateway = gateway_of(ioc)
    ioc.type(CONTROL_T)
    gateway.send_signal(signal.SIGHUP)
    ioc.wait_for_log("access: the rules were loaded anew")
    gateway.send_signal(signal.SIGTERM)
    wait_until(lambda: not ioc.children(), what="the end of the gateway and its local DM")
    assert ioc.log().count("stopping") == 2
    ioc.type(CONTROL_Q)
    assert ioc.process.wait(10) == 0
