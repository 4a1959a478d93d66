"""Texts: what every client can send and what none may see."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from ca_process import CaProcess, RawClient
from waiting import wait_until

TIME_CHAR_HEAD = 15
CTRL_CHAR_HEAD = 21


@pytest.mark.parametrize(("data_type", "head"), [(4, 0), (11, 5), (18, TIME_CHAR_HEAD), (25, 19), (32, CTRL_CHAR_HEAD)])
def test_a_full_count_never_shows_the_tail_of_an_older_text(
    ca: CaProcess, raw: RawClient, data_type: int, head: int
) -> None:
    ca.publish("EXP:Name", "a long text that was here before")
    sid = raw.open(f"{ca.prefix}EXP:Name").parameter2
    raw.subscribe(sid, data_type, 256)
    assert raw.receive(1).payload[head:].startswith(b"a long text that was here before\0")
    ca.publish("EXP:Name", "short")
    for message in (raw.receive(1), raw.get(sid, data_type, 256)):
        assert message.count == 256
        assert message.size % 8 == 0 and message.size >= head + 256
        assert message.payload[head : head + 256] == b"short".ljust(256, b"\0")


def test_a_count_of_0_sends_what_there_is(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("MD:JSON", "{}")
    sid = raw.open(f"{ca.prefix}MD:JSON").parameter2
    raw.subscribe(sid, 18, 0)
    first = raw.receive(1)
    assert (first.count, first.size) == (2, 24)
    ca.publish("MD:JSON", "")
    empty = raw.receive(1)
    assert (empty.count, empty.payload[TIME_CHAR_HEAD : TIME_CHAR_HEAD + 1]) == (1, b"\0")
    assert raw.get(sid, 4, 0).count == 1
    ca.publish("MD:JSON", "x" * 1048576)
    assert raw.receive(1).count == 1048576
    assert raw.get(sid, 4, 1048576).payload == b"x" * 1048576
    ca.publish("MD:JSON", "")


def test_more_than_there_can_be_is_an_error(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}EXP:Name").parameter2
    assert raw.get(sid, 4, 257).parameter1 == 176  # ECA_BADCOUNT


@pytest.mark.parametrize(
    ("data_type", "count", "payload", "text"),
    [
        (4, 6, b"/data\0", "/data"),
        (4, 256, b"/data".ljust(256, b"\0"), "/data"),
        (4, 5, b"/data", "/data"),
        (4, 1, b"\0", ""),
        (4, 100, bytes(100), ""),
        (4, 0, b"", ""),
        (0, 1, b"/data\0", "/data"),
        (0, 1, b"", ""),
        (0, 0, b"", ""),
        (4, 6, "h\u00e9llo".encode(), "h\u00e9llo"),
        (4, 5, b"h\xe9llo", "h\u00e9llo"),
        (0, 1, b"h\xe9llo\0", "h\u00e9llo"),
        (4, 3, "\u4e2d".encode(), "\u4e2d"),
        (6, 1, struct.pack(">d", 1.5), "1.5"),
        (5, 1, struct.pack(">i", 42), "42"),
    ],
)
def test_texts_as_clients_put_them(
    ca: CaProcess, raw: RawClient, data_type: int, count: int, payload: bytes, text: str
) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:DataDirectory").parameter2
    raw.put(sid, 4, 3, b"old")
    assert raw.receive(19).parameter1 == 1
    raw.put(sid, data_type, count, payload)
    assert raw.receive(19).parameter1 == 1
    message = raw.get(sid, 4, 0)
    assert message.payload[: message.count].rstrip(b"\0") == text.encode()


def test_arrays_that_are_no_text_are_refused(ca: CaProcess, raw: RawClient) -> None:
    sid = raw.open(f"{ca.prefix}DAQ1:DataDirectory").parameter2
    raw.put(sid, 6, 2, struct.pack(">dd", 1, 2), wait=False)
    error = raw.receive(11)
    assert error.parameter2 == 160 and b"DAQ1:DataDirectory takes one value, not 2" in error.payload
    raw.put(sid, 4, 1025, b"x" * 1025)
    assert raw.receive(19).parameter1 == 160


def test_strings_are_cut_at_a_character(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("WF1:JobID", "a" * 38 + "\u00e9 and more")
    ca.publish("EXP:Description", "b" * 38 + "\u00e9 and more")
    for name in ("WF1:JobID", "EXP:Description"):
        sid = raw.open(ca.prefix + name).parameter2
        message = raw.get(sid, 0, 1)
        assert message.size == 40
        assert message.payload[:38].decode() in ("a" * 38, "b" * 38)
        assert message.payload[38:] == b"\0\0"


def test_long_strings(ca: CaProcess, raw: RawClient, open_pv: Callable[..., Any]) -> None:
    for name in ("RequestID$", "RequestID.$", "RequestID.VAL$"):
        channel = raw.open(f"{ca.prefix}WF1:{name}")
        assert (channel.data_type, channel.count) == (4, 61)
        raw.put(channel.parameter2, 4, len(name), name.encode())
        assert raw.receive(19).parameter1 == 1
        assert raw.get(channel.parameter2, 4, 0).payload.rstrip(b"\0") == name.encode()
    assert open_pv("WF1:RequestID").get() == "RequestID.VAL$"
    text = "/a/path/longer/than/forty/characters/of/a/string"
    assert open_pv("EXP:Name.VAL$").put(text, wait=True) == 1
    assert open_pv("EXP:Name$").get(as_string=True, use_monitor=False) == text


def test_pyepics_with_its_own_count_and_with_the_full_one(ca: CaProcess, open_pv: Callable[..., Any]) -> None:
    seen: list[str] = []
    automatic = open_pv("UPL1:DestDirectory", auto_monitor=True)
    full = open_pv("UPL1:DestDirectory", auto_monitor=True, count=1024)
    automatic.add_callback(lambda char_value, **_: seen.append(char_value))
    for text in ("a rather long directory name", "short", "", "h\u00e9llo", "end"):
        assert automatic.put(list(text.encode() + b"\0"), wait=True) == 1
        for pv in (automatic, full):
            got = pv.get(use_monitor=False)
            assert bytes(bytearray(got)).rstrip(b"\0").decode() == text
    wait_until(lambda: seen and seen[-1] == "end", what="the last text is seen")
    assert seen[-5:-2] == [
        "a rather long directory name",
        "short",
        "",
    ]  # before them perhaps the value at the connection
    assert full.get(as_string=True) == "end"
    assert open_pv("UPL1:SourcePath").put("", wait=True) == 1


def test_lines_are_newline_separated(ca: CaProcess, raw: RawClient) -> None:
    ca.publish("EXP:Users", ["d001", "d002", "\u00fcser"])
    sid = raw.open(f"{ca.prefix}EXP:Users").parameter2
    message = raw.get(sid, 4, 0)
    assert message.payload[: message.count].decode() == "d001\nd002\n\u00fcser"
