"""``python -m dmioc.streaming.consume`` as a real process, with a real source of frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from frame_source import FrameServer
from stream_gateway import StreamGateway

REPOSITORY = Path(__file__).parents[2]
FRAMES = 500
LEFT_OUT = {10, 11, 12, 200, 499}


@pytest.fixture
def source(epics: None) -> Iterator[FrameServer]:
    """A detector with a frame of an earlier acquisition on its PV."""
    server = FrameServer(first_id=0)
    yield server
    server.stop()


@contextmanager
def consuming(gateway: StreamGateway, source_pv: str, output: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "dmioc.streaming.consume", "--output", str(output), "--source-pv", source_pv]
    names = [f"--{name.replace('_', '-')}={value}" for name, value in gateway.names.items()]
    process = subprocess.Popen(
        [*command, *names, *more], cwd=REPOSITORY, env=dict(os.environ), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def written(output: Path) -> dict[str, Any]:
    return json.loads(output.read_text("utf-8"))


def test_frames_are_counted_and_those_left_out_are_missed(
    gateway: StreamGateway, source: FrameServer, tmp_path: Path
) -> None:
    output = tmp_path / "stats.json"
    sent = [number for number in range(1, FRAMES + 1) if number not in LEFT_OUT]
    with consuming(gateway, source.name, output, f"--queue={FRAMES}") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        gateway.wait_for("Streaming")
        source.post(sent, period_s=0.002)
        gateway.end()
        assert process.wait(20.0) == 0
    result = json.loads(gateway.session.result)
    assert result == written(output)
    assert (result["received"], result["missed"]) == (len(sent), len(LEFT_OUT))
    assert (result["restarts"], result["overruns"], result["lastUniqueId"]) == (0, 0, FRAMES)
    assert result["bytes"] == len(sent) * 8 * 16
    expected = sum(number % 200 for number in sent) / len(sent)
    assert result["mean"]["average"] == pytest.approx(expected)
    assert (result["mean"]["first"], result["mean"]["greatest"]) == (1.0, 199.0)
    s = gateway.session
    assert (s.received, s.processed, s.missed) == (len(sent), len(sent), len(LEFT_OUT))
    assert [path.name for path in tmp_path.iterdir()] == ["stats.json"]


def test_drained_at_once_when_the_expected_number_has_come(
    gateway: StreamGateway, source: FrameServer, tmp_path: Path
) -> None:
    with consuming(gateway, source.name, tmp_path / "stats.json", "--settle=50", "--queue=50") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        source.post(range(1, 6), period_s=0.005)
        gateway.end('{"expected": 20}')
        gateway.wait_for("Draining")
        source.post(range(6, 21), period_s=0.005)
        assert process.wait(10.0) == 0
    assert written(tmp_path / "stats.json")["received"] == 20


def test_a_source_that_does_not_stop_is_drained_in_time(
    gateway: StreamGateway, source: FrameServer, tmp_path: Path
) -> None:
    with consuming(gateway, source.name, tmp_path / "stats.json", "--settle=5", "--drain=0.5") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        gateway.end()
        source.post(range(1, 200), period_s=0.01)
        assert process.wait(10.0) == 0
    assert gateway.state == "Done"


def test_a_detector_that_counts_anew_has_missed_nothing(gateway: StreamGateway, epics: None, tmp_path: Path) -> None:
    source = FrameServer(first_id=57)
    with consuming(gateway, source.name, tmp_path / "stats.json", "--queue=50", "--settle=0.3") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        source.post(range(1, 11), period_s=0.005)
        gateway.end()
        assert process.wait(10.0) == 0
    source.stop()
    result = written(tmp_path / "stats.json")
    assert (result["received"], result["missed"], result["restarts"]) == (10, 0, 1)


def test_a_source_that_is_not_there_fails_the_session(gateway: StreamGateway, tmp_path: Path) -> None:
    with consuming(gateway, "T:NONE:Image", tmp_path / "stats.json", "--source-timeout=0.5") as process:
        assert process.wait(20.0) == 1
    assert gateway.state == "Failed"
    assert "source T:NONE:Image gave no value within 0.5 s" in gateway.session.error
    assert list(tmp_path.iterdir()) == []


def test_an_abort_ends_it(gateway: StreamGateway, source: FrameServer, tmp_path: Path) -> None:
    with consuming(gateway, source.name, tmp_path / "stats.json") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        gateway.abort("beam lost")
        assert process.wait(10.0) == 1
        assert process.stderr is not None
        assert "beam lost" in process.stderr.read()


def test_an_output_that_cannot_be_written_fails_the_session(
    gateway: StreamGateway, source: FrameServer, tmp_path: Path
) -> None:
    with consuming(gateway, source.name, tmp_path / "none" / "stats.json", "--settle=0.1") as process:
        gateway.wait_for("Ready", 20.0)
        gateway.begin()
        gateway.end()
        assert process.wait(10.0) == 1
    assert gateway.state == "Failed"
    assert "stats.json" in gateway.session.error


def test_help_and_wrong_arguments() -> None:
    command = [sys.executable, "-m", "dmioc.streaming.consume"]
    shown = subprocess.run([*command, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--source-pv $sourcePv --output stats.json" in shown.stdout
    wrong = subprocess.run([*command, "--output=x"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "report_pv is not given" in wrong.stderr
