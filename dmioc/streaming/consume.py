"""A workflow that counts the frames of a detector: ``python -m dmioc.streaming.consume``.

It is the whole handshake in one program, to try a beamline's stream with and to start a workflow of one's own from.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dmioc.streaming.errors import StreamError, StreamSettingsError
from dmioc.streaming.frames import QUEUE_FRAMES, FrameSource, FrameStatistics
from dmioc.streaming.pva import PvaClient
from dmioc.streaming.workflow import StreamingWorkflow

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.1
"""How often is looked for commands while no frame comes."""
_FRAMES_AT_ONCE = 50
_EXPECTED = "expected"
"""Argument of the command End: how many frames the plan has had the detector make."""

_EXAMPLE = """\
example, as the stage of a DM workflow:
  python -m dmioc.streaming.consume --report-pv $reportPv --command-pv $commandPv \\
      --session $session --source-pv $sourcePv --output stats.json

Exit codes: 0 done, 1 the session failed or was aborted, 2 wrong arguments."""


@dataclass(frozen=True, slots=True)
class ConsumeSettings:
    """What to listen to, where to write, and how long things may take.

    Attributes:
        source_pv: full name of the PV of the frames.
        output: the JSON file.
        settle_s: drained after so many seconds without a frame.
        drain_s: drained at the latest so long after End, for a source that does not stop.
        source_timeout_s: until the source must have given its first value.
        queue_frames: frames that may wait in this process.
    """

    source_pv: str
    output: Path
    settle_s: float
    drain_s: float
    source_timeout_s: float
    queue_frames: int


def consume(stream: StreamingWorkflow, settings: ConsumeSettings) -> FrameStatistics:
    """Take part in the session from Ready until the frames are drained; answers the counts, already written to the file.

    Raises `StreamError`: when the source gives no first value in time, or the session ends otherwise.
    """
    with closing(PvaClient()) as pva, closing(FrameSource(pva, settings.source_pv, settings.queue_frames)) as source:
        statistics = FrameStatistics()
        statistics.see_first(_first_value(stream, source, settings.source_timeout_s))
        stream.ready(f"listens to {source.name}")
        _take_until_end(stream, source, statistics)
        stream.draining("no more data")
        _drain(stream, source, statistics, settings)
    write_json(settings.output, statistics.as_result())
    stream.done(statistics.as_result(), f"wrote {settings.output}")
    return statistics


def _first_value(stream: StreamingWorkflow, source: FrameSource, timeout_s: float) -> object:
    """The value of the source before the session, so that every later one is a new frame."""
    deadline_s = time.monotonic() + timeout_s
    while (frame := source.take()) is None:
        stream.check()
        if time.monotonic() > deadline_s:
            raise StreamError(
                f"source {source.name} gave no value within {timeout_s:g} s: is its name right, is it on?"
            )
        source.wait(_LOOK_S)
    return frame


def _take_until_end(stream: StreamingWorkflow, source: FrameSource, statistics: FrameStatistics) -> None:
    while not stream.ended.is_set():
        source.wait(_LOOK_S)
        _take_some(stream, source, statistics)


def _drain(
    stream: StreamingWorkflow, source: FrameSource, statistics: FrameStatistics, settings: ConsumeSettings
) -> None:
    """Take what is still on its way: until the expected number has come, or nothing came for a while."""
    expected = stream.command_args.get(_EXPECTED)
    quiet_since_s = time.monotonic()
    latest_s = quiet_since_s + settings.drain_s
    while time.monotonic() < min(quiet_since_s + settings.settle_s, latest_s):
        if isinstance(expected, int) and statistics.received >= expected:
            return
        source.wait(min(_LOOK_S, settings.settle_s))
        if _take_some(stream, source, statistics):
            quiet_since_s = time.monotonic()


def _take_some(stream: StreamingWorkflow, source: FrameSource, statistics: FrameStatistics) -> bool:
    """Count the frames that are here, so many that commands are seen, and report; whether there was any."""
    before = statistics.received
    for _ in range(_FRAMES_AT_ONCE):
        frame = source.take()
        if frame is None:
            break
        statistics.take(frame, begun=stream.begun.is_set())
    else:
        source.wake()
    stream.progress(received=statistics.received, processed=statistics.received, missed=statistics.missed)
    return statistics.received > before


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write the file so that it appears whole or not at all; raises `OSError`."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmioc.streaming.consume",
        description="Counts the frames of a detector (NTNDArray over PVAccess) as a streaming workflow of dmioc.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, variable, what in (
        ("--report-pv", "DMIOC_REPORT_PV", "PV of the reports"),
        ("--command-pv", "DMIOC_COMMAND_PV", "PV of the commands"),
        ("--session", "DMIOC_SESSION", "uuid of the session"),
        ("--source-pv", "DMIOC_SOURCE_PV", "PV of the frames"),
    ):
        parser.add_argument(name, default="", help=f"{what} (else variable {variable})")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the statistics")
    parser.add_argument(
        "--settle", type=float, default=1.0, metavar="S", help="drained after so long without a frame (1)"
    )
    parser.add_argument("--drain", type=float, default=30.0, metavar="S", help="drained so long after End anyway (30)")
    parser.add_argument(
        "--source-timeout", type=float, default=10.0, metavar="S", help="for the source's first value (10)"
    )
    parser.add_argument(
        "--queue", type=int, default=QUEUE_FRAMES, metavar="N", help=f"frames that may wait here ({QUEUE_FRAMES})"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a command line; answers the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        workflow = StreamingWorkflow(
            report_pv=options.report_pv,
            command_pv=options.command_pv,
            session=options.session,
            source_pv=options.source_pv,
        )
        if not workflow.source_pv:
            raise StreamSettingsError("no source: pass --source-pv, or set DMIOC_SOURCE_PV")
    except StreamSettingsError as error:
        parser.error(str(error))
    settings = ConsumeSettings(
        workflow.source_pv, options.output, options.settle, options.drain, options.source_timeout, options.queue
    )
    try:
        with workflow as stream:
            statistics = consume(stream, settings)
    except (StreamError, OSError) as error:
        _LOG.error("%s: %s", type(error).__name__, error)
        return 1
    _LOG.info("received %d frames, missed %d; wrote %s", statistics.received, statistics.missed, settings.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
