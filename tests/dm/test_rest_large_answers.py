"""Long lists: cut right wherever the chunks end, and decoded without a stall of the event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_payloads import JOB_SUBMITTED, STAGE_RUN
from rest_stub import client_for, json_reply, serving

from dmioc.dm.readers.splitter import ArraySplitter
from dmioc.model import JobSummary

SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab"\\{}[],: \n\u00e9')) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
RECORDS = st.lists(st.dictionaries(st.text(st.sampled_from('k"\\{}[],')), VALUES, max_size=3), max_size=6)


def split(text: bytes, cuts: Sequence[int]) -> list[Any]:
    """The records, when the text comes in chunks that end at the cuts."""
    splitter = ArraySplitter()
    records: list[Any] = []
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(edges):
        piece = splitter.feed(text[start:end])
        records += json.loads(piece) if piece else []
    assert splitter.finish() == b""
    return records


@given(RECORDS, st.lists(st.integers(0, 400), max_size=20), st.booleans(), st.sampled_from([None, 1]))
def test_records_come_out_whole_wherever_the_chunks_end(
    records: list[Any], cuts: list[int], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(records, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert split(b" \n" + text + b"\n", cuts) == records


def test_every_cut_of_a_text_with_escapes() -> None:
    records = [{"a": 'x\\"}],[{"'}, {"}, {b\\": [{"c": "\\\\"}, []], "": "\\"}, {}]
    text = json.dumps(records).encode()
    assert split(text, range(len(text))) == records


@given(RECORDS.filter(bool), st.integers(1, 400))
def test_a_cut_text_is_noticed(records: list[Any], missing: int) -> None:
    text = json.dumps(records).encode()
    splitter = ArraySplitter()
    splitter.feed(text[: max(1, len(text) - missing)])
    with pytest.raises(ValueError, match="the list is cut"):
        splitter.finish()


def large_job(number: int) -> dict[str, Any]:
    """A job of about 5 kB with its workflow, in which a command wrote text that looks like records."""
    child = {**STAGE_RUN["childProcesses"]["0"], "stdOut": '{"a": [1, 2]}, {\n' * 40}
    stages = {f"0{n}0-STAGE": {**STAGE_RUN, "childProcesses": {str(n): child}} for n in range(4)}
    workflow = {**JOB_SUBMITTED["workflow"], "stages": stages}
    return {**JOB_SUBMITTED, "id": f"job-{number}", "workflow": workflow}


async def _longest_stall_s(done: asyncio.Event) -> float:
    """The longest time for which the loop did not come round."""
    longest_s, last_s = 0.0, time.perf_counter()
    while not done.is_set():
        await asyncio.sleep(0)
        now_s = time.perf_counter()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
    return longest_s


def test_5000_jobs_with_their_workflows_do_not_stall_the_loop(tmp_path: Path) -> None:
    """A server that ignores keyList: 26 MB. The limit is wide, as other tests may share the processor."""
    reply = json_reply([large_job(number) for number in range(5000)])
    assert len(reply.body) > 20_000_000

    async def main(url: str) -> tuple[Sequence[JobSummary], float, float]:
        dm = client_for(url, tmp_path, deadline_s=30.0)
        done = asyncio.Event()
        watch = asyncio.create_task(_longest_stall_s(done))
        await asyncio.sleep(0)
        began_s = time.perf_counter()
        try:
            rows = await dm.jobs("s25idcuser", 0, 5000, with_workflow=True)
            total_s = time.perf_counter() - began_s
        finally:
            done.set()
            stall_s = await watch
            await dm.close()
        return rows, stall_s, total_s

    with serving(lambda _: reply) as stub:
        rows, stall_s, total_s = asyncio.run(main(stub.url))
    print(f"{len(reply.body) / 1e6:.1f} MB in {total_s:.2f} s, longest stall {stall_s * 1e3:.1f} ms")
    assert [row.id for row in rows] == [f"job-{number}" for number in range(5000)]
    assert rows[0].workflow == "example-01"
    assert stall_s < min(0.25, total_s / 2)
