"""A gateway that is killed again and again at given points while it is told to do things, and what must hold afterwards.

Whatever was accepted (is in the journal) and not refused has been done exactly once in DM, and what a client was told is set
is set: counted in DM's own records, by another client of it.
"""

from __future__ import annotations

import os
import random
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from dm_control import DmControl
from gateway_process import GatewayProcess
from localdm_process import encoded, encoded_json, start_localdm
from p4p.client.thread import Disconnected, RemoteError
from pva_client import PvaContext
from waiting import wait_until

_DM = "dmioc.dm.rest:RestDm."
_ENGINE = "dmioc.engine."
_WHEN = ("before", "after")
POINTS = tuple(
    f"{function}:{when}"
    for function in (
        *(f"{_ENGINE}journal:Journal.{name}" for name in ("accept", "note_request", "end")),
        *(f"{_DM}{name}" for name in ("start_job", "start_daq", "start_upload", "create_experiment", "add_dataset")),
        *(f"{_DM}{name}" for name in ("stop_job", "stop_transfer")),
        f"{_ENGINE}change_log:ChangeLog.note",
        f"{_ENGINE}autosave:_write_whole",
        f"{_ENGINE}commands:Commands._end",
    )
    for when in _WHEN
)
"""Around each step of a command and of a save."""

STARTING = ("WF_:%", "UPL_:%", "DAQ_:Start", "MD:Send", "EXP:New:Create")
"""Patterns of the PVs whose commands make something in DM."""

WORKFLOW = "kill-quick"
LONG_WORKFLOW = "kill-long"
LAUNCHER = str(Path(__file__).with_name("kill_launcher.py"))


class Client:
    """PVs of one prefix by p4p; a client for each life, since the server of the last one is gone."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._context = PvaContext()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def put(self, name: str, value: object) -> None:
        """Put without waiting for a command's end; raises `TimeoutError` or `Disconnected`, a refusal is none of our business."""
        # Commands, the only ones to get a whole number, are enums: p4p warns when it is to choose without having asked.
        field = "value.index" if isinstance(value, int) else "value"
        with suppress(RemoteError):
            self._context.put(self._prefix + name, {field: value}, timeout=3.0, get=False)

    def get(self, name: str) -> Any:
        """Value now; enums by label."""
        value = self._context.get(self._prefix + name, timeout=5.0)["value"]
        return value.choices[value.index] if hasattr(value, "choices") else value


class KilledGateway:
    """The gateway, the DM behind it, and what was asked of it.

    Args:
        directory: for the DM, the state and the data.
        seed: of all that is chosen at random.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._data = directory / "data"
        self._data.mkdir()
        self._localdm = start_localdm(directory / "dm")
        self.dm = DmControl(directory / "dm")
        self.dm.add_workflow(WORKFLOW, "/bin/true")
        self.dm.add_workflow(LONG_WORKFLOW, "/bin/sleep 600")
        self.gateway = GatewayProcess(directory / "state", environment=_environment(directory / "dm"))
        self.gateway.launcher = (LAUNCHER,)
        self.told: dict[str, set[str]] = {}
        self.lost: dict[str, tuple[str, set[str]]] = {}
        self.kills = 0

    def close(self) -> None:
        """End everything."""
        self.gateway.end()
        self._localdm.stop()
        if self._localdm.process.stdout is not None:
            self._localdm.process.stdout.close()

    def life(self, point: str, lasts_s: float = 1.0) -> None:
        """Start the gateway, ask things of it until it ends at the point; kill it when that did not come in time."""
        self.gateway.environment["KILL_GATEWAY_AT"] = point
        self.gateway.launch()
        process = self.gateway.process
        try:
            wait_until(self._serves_or_ended, 60.0, what="it serves, or has ended")
            if process.poll() is None:
                self._ask(time.monotonic() + lasts_s)
        finally:
            process.kill()
            code = process.wait()
        assert code == -signal.SIGKILL, f"dmioc run ended with {code}: {self.gateway.log()}"
        self.kills += 1

    def _serves_or_ended(self) -> bool:
        return self.gateway.process.poll() is not None or any(
            line.startswith("dmioc serves") for line in self.gateway.lines
        )

    def _ask(self, deadline_s: float) -> None:
        """Put commands until the gateway has ended, or the deadline has passed."""
        with Client(self.gateway.prefix) as client:
            try:
                self._set(client, PollPeriod=0.1, IdlePollPeriod=0.5)
                # Not among what must be there later: Create selects another one, whenever it is carried out.
                client.put("EXP:Name", "demo")
                for ask in self._random.sample(self._questions(), len(self._questions())):
                    ask(client)
                while self.gateway.process.poll() is None and time.monotonic() < deadline_s:
                    time.sleep(0.01)
            except (TimeoutError, Disconnected) as error:
                self._only_the_dead_are_silent(error)

    def _only_the_dead_are_silent(self, error: Exception) -> None:
        try:
            wait_until(lambda: self.gateway.process.poll() is not None, 5.0, what="only a dead gateway gives no answer")
        except AssertionError as alive:
            raise alive from error

    def _questions(self) -> list[Callable[[Client], None]]:
        return [
            self._start_jobs,
            self._run_job,
            self._transfer_daq,
            self._upload,
            self._create,
            self._send,
            self._abort,
        ]

    def _set(self, client: Client, group: str = "", **values: object) -> None:
        for name, value in values.items():
            # Until the put has completed, the old value may be there, or the new one.
            if group + name not in self.told:
                self.told[group + name] = {_plain(client.get(group + name))}
            self.told[group + name].add(_plain(value))
            client.put(group + name, value)
            self.told[group + name] = {_plain(value)}

    def _unique(self) -> str:
        return secrets.token_hex(6)

    def _start_jobs(self, client: Client) -> None:
        for slot in ("WF1:", "WF2:"):
            self._set(client, slot, Name=WORKFLOW, FilePath=f"/{self._unique()}")
            client.put(f"{slot}RequestID", self._random.choice(("", self._unique())))
            client.put(f"{slot}Start", 1)
            # The order is fixed when the command is accepted: this must not change the job.
            self._set(client, slot, FilePath="/changed/afterwards")

    def _run_job(self, client: Client) -> None:
        self._set(client, "WF3:", Name=WORKFLOW, FilePath=f"/{self._unique()}")
        client.put("WF3:Run", 1)

    def _abort(self, client: Client) -> None:
        self._set(client, "WF4:", Name=LONG_WORKFLOW, FilePath=f"/{self._unique()}")
        client.put("WF4:Abort" if client.get("WF4:Status") in ("Pending", "Running") else "WF4:Start", 1)

    def _new_directory(self) -> str:
        directory = self._data / self._unique()
        directory.mkdir()
        (directory / f"{directory.name}.dat").write_bytes(b"a")
        return str(directory)

    def _transfer_daq(self, client: Client) -> None:
        if client.get("DAQ1:Status") in ("Pending", "Running"):
            client.put("DAQ1:Stop", 1)
            return
        self._set(client, "DAQ1:", DataDirectory=self._new_directory())
        client.put("DAQ1:Start", 1)

    def _upload(self, client: Client) -> None:
        for slot, command in (("UPL1:", "Start"), ("UPL2:", "Run")):
            self._set(client, slot, SourcePath=self._new_directory())
            client.put(slot + command, 1)

    def _create(self, client: Client) -> None:
        client.put("EXP:New:Name", f"made-{self._unique()}")
        client.put("EXP:New:Create", 1)

    def _send(self, client: Client) -> None:
        for name, value in {"Experiment": "demo", "RunUID": self._unique(), "JSON": '{"a": 1}'}.items():
            client.put(f"MD:{name}", value)
        client.put("MD:Send", 1)

    def settle(self) -> None:
        """Start it without a point, wait until every command has ended, and check what must hold."""
        self.gateway.environment.pop("KILL_GATEWAY_AT", None)
        self.gateway.start()
        wait_until(lambda: not self.is_under_way, 30.0, what="an outcome for every accepted command")
        with Client(self.gateway.prefix) as client:
            found = {name: _plain(client.get(name)) for name, told in self.told.items()}
        self.lost = {name: (value, self.told[name]) for name, value in found.items() if value not in self.told[name]}
        assert not self.lost, f"setpoints that were lost, what is there and what clients were told: {self.lost}"
        self._check_counts()
        self.gateway.kill()
        self.kills += 1

    def _check_counts(self) -> None:
        """Each accepted command that was not refused is in DM once, and nothing else is."""
        owned = self.owned_jobs()
        assert len({job["dmiocRequestId"] for job in owned}) == len(owned), "a job was started twice"
        assert not [job for job in owned if job.get("filePath") == "/changed/afterwards"]
        in_dm = self.in_dm()
        accepted = self.carried_out()
        assert in_dm == accepted, f"{in_dm} in DM, {accepted} accepted and not refused: {self._jobless(owned)}"
        failed = self._journal(
            f"SELECT command, message FROM accepted JOIN ended USING (entry) WHERE state = 'Failed' AND NOT {_NOT_WANTED}"
        )
        assert failed == []

    def _jobless(self, owned: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Starts of jobs whose outcome names no job that is in DM."""
        starts = self._journal(
            "SELECT command, state, message FROM accepted JOIN ended USING (entry)"
            f" WHERE command LIKE 'WF_:%' AND command NOT LIKE '%:Abort' AND NOT {_NOT_WANTED} ORDER BY entry"
        )
        return [start for start in starts if not any(job["id"] in start[2] for job in owned)]

    def in_dm(self) -> dict[str, int]:
        """What commands have made in DM, by the pattern of their PVs."""
        uploads = self.dm.session("DAQ").call("GET", "uploads")
        daqs = self.dm.session("DAQ").call("GET", "daqs")
        datasets = self.dm.session("CAT").call("GET", "datasetsByExperiment", encoded("demo"))
        experiments = self.dm.session("DS").call("GET", "experimentsByStation", "DEMO")
        return {
            "WF_:%": len(self.owned_jobs()),
            "UPL_:%": len(uploads),
            "DAQ_:Start": len(daqs),
            "MD:Send": len(datasets),
            "EXP:New:Create": len(experiments) - 1,
        }

    def carried_out(self) -> dict[str, int]:
        """Accepted commands that were not refused, by the same patterns."""
        return {pattern: self._done(pattern) for pattern in STARTING}

    @property
    def is_under_way(self) -> bool:
        """Whether an accepted command has no outcome yet."""
        return bool(self._journal(_LEFT_OPEN))

    @property
    def accepted(self) -> int:
        """Every command in the journal."""
        return int(self._journal("SELECT count(*) FROM accepted")[0][0])

    def owned_jobs(self) -> list[dict[str, Any]]:
        """The jobs in DM that the gateway has started."""
        query = {"skip": "0", "limit": "100000", "keyList": encoded_json(["id", "filePath", "dmiocRequestId"])}
        jobs = self.dm.session("PROC").call("GET", "processingJobsByOwner", "dmioc", query=query)
        return [job for job in jobs if job.get("dmiocRequestId")]

    def _done(self, pattern: str) -> int:
        """Accepted commands that start something, of these PVs, that were carried out."""
        sql = (
            f"SELECT count(*) FROM accepted JOIN ended USING (entry) WHERE command LIKE ? AND NOT {_NOT_WANTED}"
            " AND command NOT LIKE '%:Abort' AND command NOT LIKE '%:Stop'"
        )
        return int(self._journal(sql, pattern)[0][0])

    def _journal(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.gateway.state / "journal.sqlite")) as journal:
            return journal.execute(sql, parameters).fetchall()

    def random_point(self) -> str:
        """One of the points, with a count that is soon reached; at times none, so that the kill comes from outside."""
        return f"{self._random.choice(POINTS)}:{self._random.randrange(1, 5)}"


# A later Abort of the slot gives up a Start that DM was not asked for yet, as one that is carried out again while an earlier
# job runs; an earlier Abort that is carried out again must not.
_NOT_WANTED = """(state = 'Refused' OR (state = 'Failed' AND message LIKE 'given up before DM was asked%' AND EXISTS (
    SELECT 1 FROM accepted AS later
    WHERE later.entry > accepted.entry AND later.command = substr(accepted.command, 1, 4) || 'Abort')))"""
_LEFT_OPEN = "SELECT command FROM accepted WHERE entry NOT IN (SELECT entry FROM ended)"


def _plain(value: object) -> str:
    """Numbers by value, however they are written."""
    try:
        return repr(float(str(value)))
    except ValueError:
        return str(value)


def _environment(directory: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "dmioc", "localdm", "--dir", str(directory), "--env"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(shlex.split(line)[1].split("=", 1) for line in lines)


@contextmanager
def killed_gateway(directory: Path, seed: int | None = None) -> Iterator[KilledGateway]:
    """For the time of a test; the seed is shown when it fails."""
    seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    gateway = KilledGateway(directory, seed)
    try:
        yield gateway
    except AssertionError as error:
        error.add_note(f"seed {seed}, after {gateway.kills} kills; last words: {gateway.gateway.log()[-2000:]}")
        raise
    finally:
        gateway.close()
