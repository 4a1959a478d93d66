"""The audit's parts: lines in caPutLog's forms, bursts as caPutLog folds them, files that are put aside."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmioc.engine.audit_bursts import LONGEST_BURSTS, Bursts
from dmioc.engine.audit_file import RotatingFile
from dmioc.engine.audit_lines import LONGEST_VALUE, Line, Value, caputlog_line, json_line, value_of
from dmioc.errors import StateFileError

T0 = 1_700_000_000.25
PUT = Line(T0, "10.0.0.9", "alice", "T:WF1:Name", Value("xpcs"), Value("example-01"), "ca", "OK")
TEXT = r'"(?:[^"\\]|\\.)*"'
VALUE = rf"(?:{TEXT}|-?[\d.e+-]+|nan|inf|-inf)"
CAPUTLOG = re.compile(
    rf"(?P<date>\d\d-[A-Z][a-z]{{2}}-\d\d) (?P<time>\d\d:\d\d:\d\d) (?P<host>\S+) (?P<user>\S+) (?P<pv>\S+)"
    rf" new=(?P<new>{VALUE}) old=(?P<old>{VALUE})(?: min=(?P<min>{VALUE}) max=(?P<max>{VALUE}))?(?: count=(?P<count>\d+))?"
    rf" via=(?P<via>\w+) result=(?P<result>\w+)(?: took=[\d.]+)?(?: request={TEXT})?(?: message={TEXT})?"
)


def test_a_put_as_caputlog_writes_it() -> None:
    stamp = time.strftime("%d-%b-%y %H:%M:%S", time.localtime(T0))
    assert caputlog_line(PUT) == (f'{stamp} 10.0.0.9 alice T:WF1:Name new="xpcs" old="example-01" via=ca result=OK')
    burst = replace(PUT, new=Value(0.5), old=Value(2.0), lowest=0.25, highest=40.0, count=7, protocol="pva")
    assert caputlog_line(burst).endswith("T:WF1:Name new=0.5 old=2 min=0.25 max=40 count=7 via=pva result=OK")
    ended = replace(PUT, result="Failed", took_s=1.5, request_id="r 1", message='job 7 is Failed: "no"\nmore')
    assert caputlog_line(ended).endswith(
        'via=ca result=Failed took=1.500 request="r 1" message="job 7 is Failed: \\"no\\"\\nmore"'
    )


def test_a_put_as_caputlogs_json() -> None:
    stamp = time.localtime(T0)
    assert json.loads(json_line(PUT)) == {
        "date": time.strftime("%Y-%m-%d", stamp),
        "time": time.strftime("%H:%M:%S", stamp) + ".250",
        "host": "10.0.0.9",
        "user": "alice",
        "pv": "T:WF1:Name",
        "new": "xpcs",
        "old": "example-01",
        "via": "ca",
        "result": "OK",
        "epoch": T0,
    }
    burst = replace(PUT, new=Value(0.5), old=Value(math.nan), lowest=0.25, highest=math.inf, count=7)
    found = json.loads(json_line(burst))
    assert (found["new"], found["old"], found["min"], found["max"], found["count"]) == (0.5, "Nan", 0.25, "Infinity", 7)


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (3, 3),
        (2.5, 2.5),
        ("text", "text"),
        (b"text\0\0", "text"),
        (b"caf\xe9", "café"),
        ("", ""),
        (("a", "b"), "a\nb"),
        ({"a": 1, "b": "é"}, '{"a": 1, "b": "é"}'),
        (2**200, "0x1" + "0" * 50),
        (True, "True"),
    ],
)
def test_values_of_every_kind(raw: object, content: object) -> None:
    assert value_of(raw) == Value(content)  # pyright: ignore[reportArgumentType] - what is tested


def test_long_values_are_shortened_and_their_size_is_told() -> None:
    for raw in ("x" * 1_000_000, b"x" * 1_000_000, {"JSON": "x" * 1_000_000}, ["x" * 1_000_000]):
        value = value_of(raw)
        assert len(str(value.content)) == LONGEST_VALUE and value.size > LONGEST_VALUE
        line = replace(PUT, new=value)
        assert len(caputlog_line(line)) < 1000 and '..." old=' in caputlog_line(line)
        assert json.loads(json_line(line))["new-size"] == value.size
    assert value_of("é" * LONGEST_VALUE) == Value("é" * LONGEST_VALUE)


@given(
    text=st.text(max_size=60),
    user=st.text(max_size=20),
    host=st.text(alphabet=st.characters(), max_size=20),
    raw=st.one_of(st.floats(), st.integers(-(2**31), 2**31), st.text(), st.binary()),
)
def test_whatever_is_put_is_one_line_that_can_be_taken_apart(text: str, user: str, host: str, raw: Any) -> None:
    line = replace(PUT, user=user, host=host, new=value_of(raw), old=value_of(text), message=text)
    shown = caputlog_line(line)
    assert shown.isprintable() and len(shown.splitlines()) == 1
    match = CAPUTLOG.fullmatch(shown)
    assert match is not None, shown
    assert match["pv"] == "T:WF1:Name" and match["result"] == "OK"
    assert json.loads(json_line(line))["old"] == text
    assert json_line(line).isascii() and json_line(line).isprintable()


def later(seconds: float, new: float | str, **more: Any) -> Line:
    return replace(PUT, time_s=T0 + seconds, new=Value(new), **more)


def test_puts_in_quick_succession_are_one_line_with_first_last_least_and_greatest() -> None:
    bursts = Bursts(5.0)
    for number, value in enumerate([3.0, 9.0, -2.0, 4.0]):
        assert bursts.take(later(number, value, old=Value(1.0 if number == 0 else 99.0)), is_command=False) == []
    assert bursts.ended(T0 + 7.9) == []
    (line,) = bursts.ended(T0 + 8.1)
    assert (line.time_s, line.old, line.new) == (T0, Value(1.0), Value(4.0))
    assert (line.lowest, line.highest, line.count) == (-2.0, 9.0, 4)
    assert bursts.is_empty


def test_a_single_put_stays_as_it_is_and_the_next_after_the_quiet_is_another() -> None:
    bursts = Bursts(5.0)
    first, second = later(0.0, 1.0), later(6.0, 2.0)
    assert bursts.take(first, is_command=False) == []
    assert bursts.take(second, is_command=False) == [first]
    assert bursts.ended(T0 + 12.0) == [second]


def test_puts_to_others_by_others_or_with_another_result_are_not_folded_together() -> None:
    bursts = Bursts(5.0)
    lines = [
        later(0.0, 1.0),
        later(0.1, 1.0, user="bob"),
        later(0.2, 1.0, host="10.0.0.8"),
        later(0.3, 1.0, protocol="pva"),
        later(0.4, 1.0, pv="T:WF2:Name"),
        later(0.5, 1.0, result="Refused"),
    ]
    for line in lines:
        assert bursts.take(line, is_command=False) == []
    assert bursts.flush() == lines


def test_texts_are_counted_and_have_no_least() -> None:
    bursts = Bursts(5.0)
    for value in (1.0, "a", 2.0, math.nan):
        bursts.take(later(0.0, value), is_command=False)
    (line,) = bursts.flush()
    assert (line.count, line.lowest, line.highest) == (4, None, None)


def test_a_command_comes_after_the_setpoints_it_used_and_is_never_folded() -> None:
    bursts = Bursts(5.0)
    setpoint, start = later(0.0, "a"), later(1.0, "Busy", pv="T:WF1:Start", result="Accepted")
    assert bursts.take(setpoint, is_command=False) == []
    assert bursts.take(start, is_command=True) == [setpoint, start]
    assert bursts.take(start, is_command=True) == [start]


def test_a_burst_without_an_end_is_written_now_and_then() -> None:
    bursts = Bursts(1.0)
    written: list[Line] = []
    for number in range(10 * 2 * LONGEST_BURSTS + 2):
        written += bursts.take(later(number / 10.0, float(number)), is_command=False)
    assert len(written) == 2 and sum(line.count for line in written) == 10 * 2 * LONGEST_BURSTS


def test_a_clock_that_is_set_back_ends_a_burst() -> None:
    bursts = Bursts(5.0)
    bursts.take(later(0.0, 1.0), is_command=False)
    assert bursts.take(later(-100.0, 2.0), is_command=False) == [later(0.0, 1.0)]


def test_nothing_is_folded_when_told_so() -> None:
    line = later(0.0, 1.0)
    assert Bursts(0.0).take(line, is_command=False) == [line]


def test_many_pvs_in_bursts_are_not_kept_without_limit() -> None:
    bursts = Bursts(5.0)
    written = 0
    for number in range(5000):
        written += len(bursts.take(later(0.0, 1.0, user=f"u{number}"), is_command=False))
    assert written + len(bursts.flush()) == 5000 and written > 0


def test_a_file_is_put_aside_when_it_has_grown_and_so_many_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "audit.log"
    file = RotatingFile(path, size_bytes=100, count=3)
    for number in range(50):
        file.write([f"{number:02} " + "x" * 26])
    names = sorted(one.name for one in path.parent.iterdir())
    assert names == ["audit.log", "audit.log.1", "audit.log.2"]
    kept = [line for name in reversed(names) for line in (path.parent / name).read_text().splitlines()]
    numbers = [int(line[:2]) for line in kept]
    assert numbers == list(range(numbers[0], 50)) and all(len(line) == 29 for line in kept)
    assert all((path.parent / name).stat().st_size <= 100 for name in names)
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_a_file_may_be_taken_away_and_is_alone_when_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = RotatingFile(path, size_bytes=20, count=1)
    file.write(["1" * 15])
    path.unlink()
    file.write(["2" * 15])
    file.write(["3" * 15])
    assert [one.name for one in tmp_path.iterdir()] == ["audit.log"]
    assert path.read_text() == "3" * 15 + "\n"


def test_a_disk_that_refuses_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.symlink_to("/dev/full")
    with pytest.raises(StateFileError, match=r"audit.log cannot be written: No space left on device"):
        RotatingFile(path, 10_000, 3).write(["line"])
    directory = tmp_path / "directory"
    directory.mkdir()
    with pytest.raises(StateFileError, match="directory cannot be written: Is a directory"):
        RotatingFile(directory, 10_000, 3).write(["line"])
