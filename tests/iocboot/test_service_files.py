"""What an administrator installs: the systemd service by systemd's own tools, and the access rules by the gateway's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from boot_scripts import IOC_BOOT, checkout

from dmioc.access import explained, load_rules, question_about
from dmioc.app import ExitCode, catalogue_of
from dmioc.catalogue import Access
from dmioc.cli import main
from dmioc.config import BackendName, load_settings
from dmioc.engine.ports import AccessRequest

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
UNIT = "dmioc-ioc@.service"
INSTALLED = "/opt/dmioc"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The service as it is installed, from a checkout that is not in /opt."""
    checkout(tmp_path / "top")
    (tmp_path / "top" / "iocBoot" / "README.md").write_text("")
    path = tmp_path / UNIT
    path.write_text((IOC_BOOT / "etc" / UNIT).read_text("utf-8").replace(INSTALLED, f"{tmp_path}/top"))
    return path


def systemd_analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@needs_systemd
def test_systemd_finds_no_fault_in_the_service(unit: Path) -> None:
    answer = systemd_analyze("verify", "--man=no", unit)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", ""), answer
    # It does look: at the program, and at the keys.
    unit.write_text(unit.read_text().replace("/st.cmd", "/none.cmd").replace("UMask", "UMsk"))
    found = systemd_analyze("verify", "--man=no", unit).stderr
    assert "none.cmd" in found and "UMsk" in found


@needs_systemd
def test_systemd_calls_the_service_secure(unit: Path) -> None:
    """The overall level is at most 2.0 of 10; services without any of it have 9.6."""
    assert systemd_analyze("security", "--offline=true", "--threshold=20", unit).returncode == 0
    plain = unit.read_text().partition("# --- what it cannot do")[0]
    unit.write_text(plain)
    assert systemd_analyze("security", "--offline=true", "--threshold=20", unit).returncode != 0


def test_the_service_knows_the_exit_codes_of_dmioc() -> None:
    lines = (IOC_BOOT / "etc" / UNIT).read_text("utf-8").splitlines()
    assert f"RestartPreventExitStatus={ExitCode.CONFIGURATION:d} {ExitCode.IN_USE:d}" in lines
    assert "RestartForceExitStatus=86" in lines


def test_the_local_dm_may_do_what_its_workflows_need() -> None:
    """What the drop-in loosens is what the service fixes."""
    service = (IOC_BOOT / "etc" / UNIT).read_text("utf-8")
    for line in (IOC_BOOT / "etc" / "local-dm.conf").read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#") and value and key != "ReadWritePaths":
            assert f"\n{key}=" in service, key


EXAMPLE = IOC_BOOT / "iocdm" / "access.acf"


@pytest.mark.parametrize(
    ("user", "host", "asg", "is_allowed"),
    [
        ("alice", "10.54.120.11", Access.COMMAND, True),
        ("25idc", "10.54.120.12", Access.COMMAND, True),
        ("25idc", "127.0.0.1", Access.ADMIN, False),
        ("alice", "127.0.0.1", Access.ADMIN, True),
        ("mallory", "10.54.120.11", Access.COMMAND, False),
        ("mallory", "10.54.120.11", Access.WRITE, True),
        ("anybody", "10.54.121.20", Access.WRITE, True),
        ("alice", "10.54.121.20", Access.COMMAND, False),
        ("alice", "192.0.2.1", Access.WRITE, False),
    ],
)
def test_the_example_of_access_rules(user: str, host: str, asg: Access, is_allowed: bool) -> None:
    rules = load_rules(EXAMPLE)
    assert rules.warnings == ()
    assert rules.decide(AccessRequest(asg.value, user, host)).is_allowed == is_allowed


def test_check_access_explains_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dmioc.toml"
    config.write_text(f'[access]\nfile = "{EXAMPLE}"\n[dm]\nbackend = "local"\n')
    question = ("check", "--config", str(config), "--access")
    assert main([*question, "alice", "10.54.120.11", "WF1:Start"]) == 0
    assert main([*question, "mallory", "10.54.120.11", "WF1:Start"]) == 1
    assert "not in UAG(staff, beamline)" in capsys.readouterr().out


def test_the_example_for_one_machine_is_whole() -> None:
    settings = load_settings(IOC_BOOT / "iocdm" / "dmioc.local.toml", {})
    assert settings.dm.backend is BackendName.LOCAL
    assert len(catalogue_of(settings)) > 300
    question = question_about(catalogue_of(settings), "DEMO:DM:", "me", "127.0.0.1", "WF1:Start")
    assert explained(load_rules(settings.access.file), question)[0]


def test_keys_that_the_examples_show_as_comments_exist(tmp_path: Path) -> None:
    """With every ``# key = value`` in force."""
    for name in ("dmioc.local.toml", "dmioc.station.toml"):
        lines = (IOC_BOOT / "iocdm" / name).read_text("utf-8").splitlines()
        text = "\n".join(
            line.removeprefix("# ") if line.startswith(("# [", '# "')) or " = " in line else line for line in lines
        )
        config = tmp_path / name
        config.write_text(text.replace('setup_file = "/home', '# "/home'))
        urls = {f"DM_{service}_WEB_SERVICE_URL": "http://127.0.0.1:9" for service in ("DS", "DAQ", "PROC", "CAT")}
        settings = load_settings(config, {"DM_STATION_NAME": "X", **urls})
        assert settings.dm.login_file is not None or settings.local.directory is not None
