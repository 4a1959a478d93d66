"""``st.cmd``: which dmioc, which DM and which settings it takes, what it refuses, and that it becomes the gateway."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from boot_scripts import (
    DMIOC,
    IOC_BOOT,
    MESSAGE,
    SCRIPTS,
    checkout,
    copied,
    environment,
    installed,
    link_dmioc,
    refused,
    st_cmd,
)
from gateway_process import CaClient
from localdm_process import running_localdm

WORKING_SETUP = """# As DM's: it computes, and it sets up DM's own Python.
HOST=127.0.0.1
for service in DS:1 DAQ:2 PROC:3 CAT:4; do
    export "DM_${service%%:*}_WEB_SERVICE_URL=http://$HOST:${service#*:}"
done
export DM_STATION_NAME="25 \\"IDC\\"" DM_LOGIN_FILE=$NOT_SET/login
export PATH=/nowhere PYTHONPATH=/nowhere PYTHONHOME=/nowhere
cd /
echo set up
"""


def test_in_a_checkout_it_takes_its_environment_and_the_settings_beside_it(tmp_path: Path) -> None:
    boot = checkout(tmp_path / "top")
    plain = st_cmd(boot, "config")
    assert plain.returncode == 0 and 'prefix = "DEMO:DM:"' in plain.stdout, plain
    assert f"no dmioc.toml in {boot}" in plain.stderr
    assert plain.stderr.splitlines()[-1] == f"{MESSAGE}{tmp_path}/top/.venv/bin/dmioc config"
    (boot / "dmioc.toml").write_text('[gateway]\nprefix = "Beside:"\n')
    beside = st_cmd(boot, "config")
    assert 'prefix = "Beside:"' in beside.stdout and f"--config {boot}/dmioc.toml" in beside.stderr
    # A path in a variable is meant from where the caller stands.
    (tmp_path / "top" / "other.toml").write_text('[gateway]\nprefix = "Other:"\n')
    assert 'prefix = "Other:"' in st_cmd(boot, "config", DMIOC_CONFIG="other.toml").stdout
    option = st_cmd(boot, "config", "--config", tmp_path / "top" / "other.toml", "--prefix", "Last:")
    assert 'prefix = "Last:"' in option.stdout and "Beside" not in option.stdout + option.stderr


def test_links_are_a_station_of_their_own(tmp_path: Path) -> None:
    boot = checkout(tmp_path / "top")
    station = boot.with_name("ioc25idc")
    station.mkdir()
    for name in SCRIPTS:
        (station / name).symlink_to(f"../iocdm/{name}")
    (boot / "dmioc.toml").write_text('[gateway]\nprefix = "Wrong:"\n')
    (station / "dmioc.toml").write_text('[gateway]\nprefix = "25IDC:DM:"\n')
    answer = st_cmd(station, "config")
    assert 'prefix = "25IDC:DM:"' in answer.stdout and "top/.venv/bin/dmioc config" in answer.stderr


def test_an_environment_that_is_missing_is_made(tmp_path: Path) -> None:
    boot = checkout(tmp_path / "top", has_environment=False)
    top = tmp_path / "top"
    refused(st_cmd(boot, "config", PYTHON="/no/such/python"), f"{top}/.venv could not be made", "DMIOC_PYTHON")
    # With what make does here: the real one installs for a minute (tests/test_readme.py has it do so).
    (top / "Makefile").unlink()
    recipe = f"mkdir -p .venv/bin; ln -s {DMIOC} .venv/bin; touch $@; echo made >> made"
    (top / "Makefile").write_text(f".venv/.run: requirements.lock\n\t{recipe}\n")
    for _ in range(2):
        answer = st_cmd(boot, "config")
        assert answer.returncode == 0, answer
    assert (top / "made").read_text().split() == ["made"]


def by_path(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    path = f"{link_dmioc(tmp_path / 'bin')}:/usr/bin:/bin"
    return copied(tmp_path / "site" / "iocBoot" / "ioc1"), {"PATH": path}


def by_python(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    return copied(tmp_path / "site" / "iocBoot" / "ioc1"), {"DMIOC_PYTHON": sys.executable}


def by_installation(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    return installed(tmp_path / "prefix"), {}


@pytest.mark.parametrize("place", [by_path, by_python, by_installation])
def test_without_a_checkout(place: Callable[[Path], tuple[Path, dict[str, str]]], tmp_path: Path) -> None:
    boot, variables = place(tmp_path)
    answer = st_cmd(boot, "pvs", "*:DAQ1:Start", **variables)
    assert answer.returncode == 0 and answer.stdout.splitlines()[-1].startswith("DEMO:DM:DAQ1:Start"), answer


def test_no_dmioc_at_all(tmp_path: Path) -> None:
    boot = copied(tmp_path / "site" / "iocBoot" / "ioc1")
    refused(st_cmd(boot), "no dmioc is found", f"{tmp_path}/site is no checkout", "DMIOC_PYTHON")
    refused(st_cmd(boot, DMIOC_PYTHON="/usr/bin/false"), "DMIOC_PYTHON=/usr/bin/false has no dmioc")
    refused(st_cmd(boot, DMIOC_PYTHON="/no/python"), "DMIOC_PYTHON=/no/python has no dmioc")


def test_dm_setup_is_sourced_and_its_variables_reach_the_gateway(tmp_path: Path) -> None:
    boot = checkout(tmp_path / "top")
    setup = tmp_path / "dm.setup.sh"
    setup.write_text(WORKING_SETUP)
    answer = st_cmd(boot, "config", DM_SETUP=setup)
    assert answer.returncode == 0 and "set up" in answer.stderr, answer
    for line in (
        'station = "25 \\"IDC\\""',
        'ds_url = "http://127.0.0.1:1"',
        'cat_url = "http://127.0.0.1:4"',
        'login_file = "/login"',
    ):
        assert line in answer.stdout
    assert 'backend = "local"' not in answer.stdout


BAD_SETUPS = {
    "": "sets no DM_DS_WEB_SERVICE_URL",
    "export DM_STATION_NAME=X\n": "sets no DM_DS_WEB_SERVICE_URL",
    "exit 0\n": "sets no DM_DS_WEB_SERVICE_URL",
    "echo no disk >&2; exit 4\n": "failed, see above",
}


@pytest.mark.parametrize("text", BAD_SETUPS)
def test_a_dm_setup_that_sets_up_nothing_is_no_local_dm(text: str, tmp_path: Path) -> None:
    boot, setup = checkout(tmp_path / "top"), tmp_path / "dm.setup.sh"
    setup.write_text(text)
    # What the shell happens to hold does not stand in for it.
    refused(st_cmd(boot, DM_SETUP=setup, DM_STATION_NAME="Y"), f"DM_SETUP={setup}", BAD_SETUPS[text])


def test_a_dm_setup_that_cannot_be_read(tmp_path: Path) -> None:
    boot = checkout(tmp_path / "top")
    refused(st_cmd(boot, DM_SETUP="none.sh"), f"DM_SETUP={tmp_path}/top/none.sh cannot be read", "dm.setup.sh")
    refused(st_cmd(boot, DM_SETUP=tmp_path), f"DM_SETUP={tmp_path} cannot be read")


def test_the_example_for_a_station_checks_a_real_dm(tmp_path: Path) -> None:
    """With the addresses and files of this machine in the place of the example's, and localdm's lines as dm.setup.sh."""
    boot = checkout(tmp_path / "top")
    with running_localdm(tmp_path / "dm") as localdm:
        lines = [f"export {name}={value}\n" for name, value in localdm.environment.items()]
        (tmp_path / "dm.setup.sh").write_text("".join(lines))
        text = (IOC_BOOT / "iocdm" / "dmioc.station.toml").read_text("utf-8")
        for there, here in {
            "/home/dm_idc/etc/dm.setup.sh": f"{tmp_path}/dm.setup.sh",
            'ca_file = "/home/dm_idc/etc/ssl/dm-ca.pem"': "",
            "/var/lib/dmioc/25idc": f"{tmp_path}/state",
            "/etc/dmioc/access.acf": str(IOC_BOOT / "iocdm" / "access.acf"),
            "10.54.120.7": "127.0.0.1",
            "10.54.120.255": "127.0.0.1",
        }.items():
            assert there in text
            text = text.replace(there, here)
        (boot / "dmioc.toml").write_text(text)
        answer = st_cmd(boot, "check")
        assert answer.returncode == 0, answer
        found = [line.split() for line in answer.stdout.splitlines()]
        assert {tuple(words[:3]) for words in found} >= {("OK", "DM", name) for name in ("DS", "DAQ", "PROC", "CAT")}
        assert "rest" in answer.stdout and "25IDC:DM:" in answer.stdout


def test_it_becomes_the_gateway_so_that_signals_and_exit_codes_are_its_own(repeater: None, tmp_path: Path) -> None:
    boot, prefix = checkout(tmp_path / "top"), f"T{secrets.token_hex(3)}:"
    example = (IOC_BOOT / "iocdm" / "dmioc.local.toml").read_text("utf-8")
    ours = example.replace("DEMO:DM:", prefix).replace("port_base = 22236", "port_base = 0")
    assert ours.count(prefix) == 1 and "port_base = 0" in ours
    (boot / "dmioc.toml").write_text(ours)
    with subprocess.Popen(
        [boot / "st.cmd"],
        env=environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as gateway:
        try:
            assert gateway.stdout is not None
            banner = gateway.stdout.readline()
            assert banner.startswith(f"dmioc serves {prefix}*"), banner
            # Relative directories are below that of st.cmd, wherever it was called from.
            assert str(boot / "dmioc-state" / "localdm") in banner
            ca = CaClient(prefix)
            assert ca.get("Pid") == gateway.pid
            ca.close(clear_channels=True)
            second = st_cmd(boot, "--state", tmp_path / "state")
            assert second.returncode == 3 and f"(pid {gateway.pid})" in second.stderr.splitlines()[-1], second
            gateway.send_signal(signal.SIGTERM)
            assert gateway.wait(10) == 0
        finally:
            gateway.kill()
    (boot / "dmioc.toml").write_text("[gateway]\nprefx = 'A:'\n")
    wrong = st_cmd(boot)
    assert wrong.returncode == 2 and "[gateway] prefx: there is no such key" in wrong.stderr.splitlines()[-1]
