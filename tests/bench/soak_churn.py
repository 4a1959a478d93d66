"""What happens during a soak: jobs, DAQs and uploads start and end, and DM misbehaves at random."""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from dm_control import DmControl
from p4p.client.thread import Disconnected, RemoteError
from pva_client import PvaContext

from dmioc.catalogue import Slots

WORKFLOWS = {"soak-quick": "/bin/true", "soak-slow": "/bin/sleep 3"}
RUNS = frozenset({"Pending", "Running", "Busy"})
DIRECTORIES = 40
FILES = 3
PUT_WITHIN_S = 5.0
DAQ_LASTS_S = 4.0
TRANSFERS_LEFT = 50
FAULT_S = (2.0, 6.0)
CALM_S = (1.0, 4.0)

FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "refuse", "service": "PROC"},
    {"kind": "refuse"},
    {"kind": "half-open", "service": "DAQ"},
    {"kind": "hang", "service": "PROC", "endpoint": "getProcessingJob*"},
    {"kind": "hang", "probability": 0.2, "seconds": 1.0},
    {"kind": "drop", "probability": 0.3},
    {"kind": "slow", "seconds": 0.5},
    {"kind": "status", "status": 500, "probability": 0.5},
    {"kind": "error", "probability": 0.5, "code": 2},
    {"kind": "unauthorized", "probability": 0.3},
    {"kind": "html", "service": "DS"},
    {"kind": "lost", "endpoint": "getProcessingJobById", "probability": 0.3},
    {"kind": "hang-body", "endpoint": "listProcessingJobs"},
    {"kind": "cut", "probability": 0.3},
    {"kind": "wrong-types", "endpoint": "getDaqInfo", "keys": ["id"]},
    {"kind": "status-word", "service": "PROC", "word": "resting"},
    {"kind": "cut-list", "limit": 2},
    {"kind": "duplicate-ids"},
    {"kind": "clock-skew", "seconds": 3600.0},
    {"kind": "local-time", "zone": "CDT"},
    {"kind": "huge-stderr", "size_bytes": 200000},
    {"kind": "long-names", "length": 300},
)
"""As of `dmioc.localdm.faults`; each is in force for some seconds."""


class Faults:
    """Writes one fault after the other, and none between; `step` is to be called often."""

    def __init__(self, path: Path, put: Callable[..., None], chosen: random.Random) -> None:
        self.path = path
        self.met: Counter[str] = Counter()
        self._put = put
        self._random = chosen
        self._next_s = 0.0
        self._is_on = False

    def step(self) -> None:
        """The next fault, or none, when it is time."""
        if time.monotonic() < self._next_s:
            return
        self._is_on = not self._is_on
        if self._is_on:
            fault = self._random.choice(FAULTS)
            self.met[str(fault["kind"])] += 1
            self._put(fault)
        else:
            self._put()
        self._next_s = time.monotonic() + self._random.uniform(*(FAULT_S if self._is_on else CALM_S))

    def none(self) -> None:
        """DM behaves."""
        self._put()
        self._is_on, self._next_s = False, 0.0


class Churn:
    """Puts commands to slots chosen at random; nobody waits for them.

    Attributes:
        puts: commands by what came of the put: ``taken``, ``refused``, or ``no answer``.
    """

    def __init__(self, prefix: str, slots: Slots, data: Path, chosen: random.Random) -> None:
        self.puts: Counter[str] = Counter()
        self._context = PvaContext()
        self._prefix = prefix
        self._slots = slots
        self._random = chosen
        self._stops: list[tuple[float, str]] = []
        self._directories = [directory(data) for _ in range(DIRECTORIES)]

    def close(self) -> None:
        """Close the client."""
        self._context.close()

    def prepare(self, dm: DmControl) -> None:
        """Make the workflows and choose the experiment."""
        for name, command in WORKFLOWS.items():
            dm.add_workflow(name, command)
        self._set("EXP:Name", "demo")
        for group in self._groups("WF", self._slots.workflow):
            self._set(f"{group}Name", "soak-quick")

    def _groups(self, kind: str, count: int) -> list[str]:
        return [f"{kind}{number}:" for number in range(1, count + 1)]

    def step(self) -> None:
        """One command, and the stops that are due."""
        self._random.choice((self._job, self._job, self._daq, self._upload))()
        now_s = time.monotonic()
        due, self._stops = (
            [group for at_s, group in self._stops if at_s <= now_s],
            [(at_s, group) for at_s, group in self._stops if at_s > now_s],
        )
        for group in due:
            self._command(f"{group}Stop")

    def stop_all(self) -> None:
        """Stop every DAQ that may run; jobs and uploads end by themselves."""
        self._stops.clear()
        for group in self._groups("DAQ", self._slots.daq):
            if self.get(f"{group}Status") in RUNS:
                self._command(f"{group}Stop")

    def clear_old(self, dm: DmControl) -> None:
        """Have DM forget all but its newest DAQs and uploads, which must have ended: the gateway lists all that DM knows."""
        session = dm.session("DAQ")
        for kind in ("daqs", "uploads"):
            for one in session.call("GET", kind)[:-TRANSFERS_LEFT]:
                session.call("DELETE", kind, one["id"])

    def busy(self) -> dict[str, str]:
        """Slots that have something that runs, and commands that are under way, with what they say."""
        names = [f"{group}Status" for kind, count in self._kinds() for group in self._groups(kind, count)]
        names += [name.replace("Status", "CmdStatus") for name in names]
        values = self._context.get([self._prefix + one for one in names])
        return {name: label for name, value in zip(names, values, strict=True) if (label := self.label(value)) in RUNS}

    def text(self, name: str) -> str:
        """The value of a text."""
        return str(self._context.get(self._prefix + name)["value"])

    def services(self) -> dict[str, tuple[str, str]]:
        """State and last error of each service of DM."""
        groups = ("DS:", "DAQ:", "PROC:", "CAT:")
        return {group: (self.get(f"{group}State"), self.text(f"{group}Error")) for group in groups}

    def _kinds(self) -> tuple[tuple[str, int], ...]:
        return (("DAQ", self._slots.daq), ("UPL", self._slots.upload), ("WF", self._slots.workflow))

    def get(self, name: str) -> str:
        """The label of an enum."""
        return self.label(self._context.get(self._prefix + name, timeout=PUT_WITHIN_S))

    @staticmethod
    def label(value: object) -> str:
        """Of an NTEnum as it came."""
        enum = value["value"]  # pyright: ignore[reportIndexIssue]
        return str(enum["choices"][enum["index"]])

    def _job(self) -> None:
        group = self._random.choice(self._groups("WF", self._slots.workflow))
        self._set(f"{group}Name", self._random.choice(list(WORKFLOWS)))
        self._set(f"{group}FilePath", f"/{secrets.token_hex(4)}")
        self._command(f"{group}Start")

    def _daq(self) -> None:
        group = self._random.choice(self._groups("DAQ", self._slots.daq))
        self._set(f"{group}DataDirectory", str(self._random.choice(self._directories)))
        self._set(f"{group}Options", '{"processExistingFiles": true}')
        self._command(f"{group}Start")
        self._stops.append((time.monotonic() + DAQ_LASTS_S, group))

    def _upload(self) -> None:
        group = self._random.choice(self._groups("UPL", self._slots.upload))
        self._set(f"{group}SourcePath", str(self._random.choice(self._directories)))
        self._command(f"{group}Start")

    def _set(self, name: str, value: str) -> None:
        self._put(name, {"value": value})

    def _command(self, name: str) -> None:
        self.puts[self._put(name, {"value.index": 1})] += 1

    def _put(self, name: str, fields: dict[str, object]) -> str:
        try:
            self._context.put(self._prefix + name, fields, timeout=PUT_WITHIN_S, get=False)
        except RemoteError:
            return "refused"
        except (TimeoutError, Disconnected):
            return "no answer"
        return "taken"


def directory(data: Path) -> Path:
    """A new one with some files."""
    path = data / secrets.token_hex(4)
    path.mkdir(parents=True)
    for number in range(FILES):
        (path / f"{path.name}-{number}.dat").write_bytes(secrets.token_bytes(1000 * (number + 1)))
    return path
