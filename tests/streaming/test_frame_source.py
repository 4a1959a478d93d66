"""The source of frames against a real server, while nobody takes any for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from frame_source import FrameServer
from waiting import wait_until

from dmioc.streaming.frames import FrameSource, FrameStatistics
from dmioc.streaming.pva import PvaClient

QUEUE_FRAMES = 8
FRAMES = 10 * QUEUE_FRAMES


@pytest.fixture
def server(epics: None) -> Iterator[FrameServer]:
    server = FrameServer()
    yield server
    server.stop()


@pytest.fixture
def source(server: FrameServer) -> Iterator[FrameSource]:
    with closing(PvaClient()) as pva, closing(FrameSource(pva, server.name, QUEUE_FRAMES)) as source:
        yield source


def test_the_last_frame_comes_though_no_other_follows(server: FrameServer, source: FrameSource) -> None:
    statistics = FrameStatistics()
    statistics.see_first(wait_until(source.take, what="the value before"))
    server.post(range(1, FRAMES + 1))

    def has_last() -> bool:
        while (frame := source.take()) is not None:
            statistics.take(frame, begun=True)
        return statistics.last_id == FRAMES

    wait_until(has_last, what="the last frame")
    assert statistics.received + statistics.missed == FRAMES
    assert statistics.missed > 0, "the queues were full, or this shows nothing"
