"""The machine that figures were made on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("dmioc", "caproto", "p4p", "pyepics", "numpy", "httpx", "aiohttp", "ophyd", "bluesky")
QUIET_LOAD = 0.5
"""Load of the last minute above which the figures are not to be trusted."""


@dataclass(frozen=True)
class Machine:
    """CPU and cores, OS, Python, versions of packages, and the load average of the last minute at the start."""

    cpu: str
    cores: int
    memory_gb: float
    os: str
    python: str
    packages: dict[str, str]
    load: float

    @property
    def is_quiet(self) -> bool:
        """Whether little else was running."""
        return self.load <= QUIET_LOAD

    def lines(self) -> list[str]:
        """For people."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        found = [
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB; {self.os}; Python {self.python}",
            packages,
            f"load at the start {self.load:.2f}",
        ]
        if not self.is_quiet:
            found.append(f"WARNING: the load is above {QUIET_LOAD}: other work falsifies these figures")
        return found

    def as_json(self) -> dict[str, object]:
        """All of it, and whether it was quiet."""
        return {**asdict(self), "is_quiet": self.is_quiet}


def this_machine() -> Machine:
    """Looks at it now."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        os=f"{platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())}, Linux {platform.release()}",
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
