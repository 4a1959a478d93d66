"""``iocBoot`` where its users have it: in a checkout, in an installed package, or copied, with the dmioc of this environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from epics_environment import client_environment, server_environment

ROOT = Path(__file__).parents[2]
IOC_BOOT = ROOT / "iocBoot"
SCRIPTS = ("st.cmd", "st.procserv", "run_procserv")
DMIOC = Path(sys.executable).with_name("dmioc")
MESSAGE = "st.cmd: "


def copied(directory: Path) -> Path:
    """The scripts alone, as a site copies them; answers their directory."""
    directory.mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy2(IOC_BOOT / "iocdm" / name, directory)
    return directory


def checkout(top: Path, has_environment: bool = True) -> Path:
    """What `st.cmd` sees of a checkout, beside a `.venv` that is newer than its lock; answers the directory of the scripts."""
    boot = copied(top / "iocBoot" / "iocdm")
    for name in ("dmioc", "Makefile", "requirements.lock", "pyproject.toml"):
        (top / name).symlink_to(ROOT / name)
    if has_environment:
        link_dmioc(top / ".venv" / "bin")
        (top / ".venv" / "bin" / "python").symlink_to(sys.executable)
        (top / ".venv" / ".run").touch()
    return boot


def installed(prefix: Path) -> Path:
    """As `pip install` leaves it below an environment; answers the directory of the scripts."""
    link_dmioc(prefix / "bin")
    return copied(prefix / "share" / "dmioc" / "iocBoot" / "iocdm")


def link_dmioc(directory: Path) -> Path:
    """The dmioc of this environment, in a directory of its own."""
    directory.mkdir(parents=True)
    (directory / "dmioc").symlink_to(DMIOC)
    return directory


def environment(**variables: str | Path) -> dict[str, str]:
    """An operator's shell with EPICS on this process's ports, no DM, and no dmioc on PATH."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DM_", "DMIOC_", "MAKE"))}
    inherited["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    found = inherited | client_environment() | server_environment()
    return found | {name: str(value) for name, value in variables.items()}


def st_cmd(boot: Path, *arguments: str | Path, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``st.cmd`` with what makes it end by itself."""
    return subprocess.run(
        [boot / "st.cmd", *map(str, arguments)],
        cwd=boot.parents[1],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    """It ended with 2, and its last line, one of its own, has the words."""
    assert answer.returncode == 2, answer
    last = answer.stderr.splitlines()[-1]
    assert last.startswith(MESSAGE), answer.stderr
    for word in words:
        assert word in last, answer.stderr
