"""Run metadata are lost by nothing: a gateway or a DM that is away, a process that is killed, a disk that is full."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dm_control import DmControl
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess, running_gateway
from waiting import wait_until

from dmioc.devices import DMMetadata

DRIVER = Path(__file__).with_name("metadata_driver.py")
SENT_S = 15.0
NO_GATEWAY = {"EPICS_PVA_SERVER_PORT": "9", "EPICS_PVA_BROADCAST_PORT": "9"}


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One that notices soon that DM is away."""
    state = tmp_path_factory.mktemp("gateway")
    config = state / "dmioc.toml"
    config.write_text("[dm]\ndeadline_s = 1\nconnect_timeout_s = 1\n", "utf-8")
    with running_gateway(state / "state", "--config", str(config)) as process:
        yield process


@pytest.fixture
def stored(ca: CaClient, gateway: GatewayProcess) -> Any:
    """Datasets of runs in DM, oldest first, as pairs of the run's uid and what DM has of it."""

    def ask() -> list[tuple[str, dict[str, Any]]]:
        return [(one["bluesky_run_uid"], one["bluesky_metadata"]) for one in GatewayDm(gateway).datasets("demo")]

    return ask


def drive(action: str, prefix: str, spool: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DRIVER), action, prefix, str(spool), *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """Lines it printed, and what it wrote to stderr, when it has ended as it should."""
    with process:
        try:
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return out.splitlines(), errors


def spool_of(prefix: str, directory: Path) -> Path:
    return DMMetadata(prefix, spool_directory=directory).spool_directory


def test_what_a_process_could_not_send_the_next_one_sends_in_order(ca: CaClient, stored: Any, tmp_path: Path) -> None:
    sent: list[str] = []
    for _ in range(2):  # a session that ends before it has looked for the gateway, one that has not found it
        uids, _ = ended(drive("runs", ca.prefix, tmp_path, 2, 0, 0.1, **NO_GATEWAY))
        sent += uids
    uids, errors = ended(drive("runs", ca.prefix, tmp_path, 1, 4, 0.1, **NO_GATEWAY))
    assert uids.pop() == "False" and "the gateway is away" in errors and str(tmp_path) in errors
    sent += uids
    assert len(list(spool_of(ca.prefix, tmp_path).glob("*.json"))) == 5
    with DMMetadata(ca.prefix, spool_directory=tmp_path) as callback:
        assert callback.flush(SENT_S)
    assert [uid for uid, _ in stored() if uid in sent] == sent


def test_two_processes_share_a_spool(ca: CaClient, stored: Any, tmp_path: Path) -> None:
    processes = [drive("runs", ca.prefix, tmp_path, 8, SENT_S, 5) for _ in range(2)]
    uids = [uid for process in processes for uid in ended(process)[0] if uid != "True"]
    found = [uid for uid, _ in stored() if uid in uids]
    assert len(uids) == 16 and sorted(found) == sorted(uids)  # each once
    assert list(spool_of(ca.prefix, tmp_path).glob("*.json")) == []


def test_a_process_that_is_killed_at_any_step_loses_nothing(ca: CaClient, stored: Any, tmp_path: Path) -> None:
    lines, _ = ended(drive("killed", ca.prefix, tmp_path))
    assert lines.pop() == "end 0"
    on_disk = {uid: documents for uid, *documents in map(str.split, lines)}
    assert len(on_disk) > 12
    assert {len(documents) for documents in on_disk.values()} == {0, 1, 2}
    for number in range(1, len(on_disk)):
        with DMMetadata(ca.prefix, spool_directory=tmp_path / str(number)) as callback:
            assert callback.flush(SENT_S)
        assert {path.name for path in callback.spool_directory.glob("*")} <= {"sending.lock"}
    datasets = [(uid, found) for uid, found in stored() if uid in on_disk]
    for uid, documents in on_disk.items():
        mine = [found for one, found in datasets if one == uid]
        if "start" in documents:
            assert len(mine[0]["descriptors"]) == 1, uid
        if "stop" in documents:
            assert mine[0]["stop"]["exit_status"] == "success", uid
    # Killed while it was sent, or between DM's answer and forgetting the run: sent again by the next session, under the
    # name that has the whole uid. Which step of the session falls into that moment is the machine's choice.
    times_sent = Counter(uid for uid, _ in datasets)
    assert max(times_sent.values()) <= 2
    assert sum(times > 1 for times in times_sent.values()) <= 3


def test_dm_is_away_for_a_while(ca: CaClient, gateway: GatewayProcess, stored: Any, tmp_path: Path) -> None:
    uids = [str(uuid.uuid4()) for _ in range(3)]
    with DMMetadata(ca.prefix, experiment="demo", spool_directory=tmp_path, retry_period_s=0.2) as callback:
        with DmControl(gateway.state / "localdm").hanging():
            ca.wait_for("CAT:State", "Disconnected")
            for uid in uids:
                callback("start", {"uid": uid})
                callback("stop", {"run_start": uid})
            assert not callback.flush(1.0)
        wait_until(lambda: callback.pending == 0, 20.0, what="all is sent by itself")
    # Twice if DM had taken one in before it hung: its answer came too late to be heard.
    assert list(dict.fromkeys(uid for uid, _ in stored() if uid in uids)) == uids


def test_a_full_disk_is_told_and_nothing_is_lost(ca: CaClient, stored: Any, tmp_path: Path) -> None:
    (first, second), errors = ended(drive("full_disk", ca.prefix, tmp_path, **NO_GATEWAY))
    uid, pending, files = first.split()
    assert (pending, files, second) == ("1", "0", "1")
    assert "cannot be written" in errors and "can be written again" in errors
    with DMMetadata(ca.prefix, spool_directory=tmp_path) as callback:
        assert callback.flush(SENT_S)
    assert [one for one, _ in stored() if one == uid] == [uid]


def test_a_spool_that_cannot_be_made_is_told_once_and_runs_are_sent_all_the_same(
    ca: CaClient, stored: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    uids = [str(uuid.uuid4()) for _ in range(2)]
    with DMMetadata(ca.prefix, experiment="demo", spool_directory=tmp_path / "file") as callback:
        for uid in uids:
            callback("start", {"uid": uid})
            callback("stop", {"run_start": uid})
        assert callback.flush(SENT_S)
    assert [uid for uid, _ in stored() if uid in uids] == uids
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1 and "cannot be written" in told[0].getMessage()


def test_a_file_that_is_none_of_ours_stays_and_holds_up_nothing(
    ca: CaClient, stored: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = spool_of(ca.prefix, tmp_path)
    directory.mkdir()
    for name, text in (("1.json", "{"), ("2.json", "[]"), ("3.json", '{"format": 99}')):
        (directory / name).write_text(text)
    uid = str(uuid.uuid4())
    with DMMetadata(ca.prefix, experiment="demo", spool_directory=tmp_path) as callback:
        callback("start", {"uid": uid})
        callback("stop", {"run_start": uid})
        assert not callback.flush(SENT_S)
        assert callback.pending == 3
    assert [one for one, _ in stored() if one == uid] == [uid]
    assert "it is of format 99, this version reads 1" in caplog.text
