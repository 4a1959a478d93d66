"""Whatever a client puts becomes a value the PV can hold, or a refusal in one line."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmioc.catalogue import PV, Kind, Raw, coerce, decode, shown, station_catalogue
from dmioc.errors import RefusedError

CATALOGUE = station_catalogue()
SCALARS = tuple(CATALOGUE.scalars())
NAME, CONTROL, INDEX, POLL, OWNER_ID = (
    CATALOGUE[name] for name in ("WF1:Name", "Control", "EXP:Index", "PollPeriod", "WF1:RequestID")
)
STATUS, USERS, START, EXPECT = (CATALOGUE[name] for name in ("WF1:Status", "EXP:Users", "WF1:Start", "DAQ1:Expect"))
ANY_TEXT = st.text(st.characters(exclude_categories=()))
HUGE = st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 5_000_000_000, 10**400, -(10**400), 10**5000])
RAW = st.one_of(
    st.integers(),
    HUGE,
    st.floats(),
    ANY_TEXT,
    ANY_TEXT.map(lambda text: text * 300),
    st.sampled_from(
        ["0", "1", " 1 ", "+-1", "1_000", "٣", "Ⅷ", "²", "nan", "1e999", "9" * 400, "9" * 5000, "0x10", "Yes"]
    ),
    st.binary(),
    st.binary().map(lambda data: data + b"\0" * 50),
    st.lists(ANY_TEXT, max_size=5),
)
GOOGOL = pytest.param(10**400, id="10**400")
THOUSANDS_OF_DIGITS = pytest.param(10**5000, id="10**5000")
quiet = settings(deadline=None, max_examples=400, database=None)


def is_valid(pv: PV, value: object) -> bool:
    """Whether the PV can hold the value, written from the contract and not from the code under test."""
    if pv.kind.has_states:
        return type(value) is int and 0 <= value < len(pv.states)
    if pv.kind is Kind.LONG:
        low = -(2**31) if pv.low is None else pv.low
        return type(value) is int and low <= value <= (2**31 - 1 if pv.high is None else pv.high)
    if pv.kind is Kind.DOUBLE:
        low, high = (-math.inf if pv.low is None else pv.low), (math.inf if pv.high is None else pv.high)
        return type(value) is float and math.isfinite(value) and low <= value <= high
    if pv.kind is Kind.LINES:
        assert isinstance(value, tuple)
        assert all("\n" not in line for line in value)
        value = "\n".join(value)
    limit = 39 if pv.kind is Kind.STRING else pv.length
    return type(value) is str and "\0" not in value and len(value.encode("utf-8")) <= limit


def refusal(pv: PV, raw: Raw) -> str:
    """The text of the refusal; the test fails if the value is taken, or if the text is no good to a person."""
    with pytest.raises(RefusedError) as caught:
        coerce(pv, raw)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(pv.name)
    assert message.isprintable()
    assert len(message) < 400
    return message


@given(pv=st.sampled_from(SCALARS), raw=RAW)
@example(pv=INDEX, raw=10**400)
@example(pv=CONTROL, raw=10**400)
@example(pv=INDEX, raw=10**5000)
@example(pv=NAME, raw=10**5000)
@example(pv=POLL, raw=10**5000)
@example(pv=USERS, raw=["a\0b", "c"])
@example(pv=INDEX, raw="9" * 400)
@settings(parent=quiet, max_examples=1500)
def test_any_raw_value_is_valid_or_refused(pv: PV, raw: Raw) -> None:
    try:
        value = coerce(pv, raw)
    except RefusedError:
        refusal(pv, raw)
    else:
        assert is_valid(pv, value)
        assert coerce(pv, value) == value


@given(pv=st.sampled_from([pv for pv in SCALARS if pv.kind.has_states]), data=st.data())
@quiet
def test_enum_takes_label_index_and_index_as_text(pv: PV, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(pv.states) - 1))
    label = pv.labels[index]
    for raw in (index, float(index), str(index), label, f" {label} ", label.encode(), label.encode() + b"\0" * 9):
        assert coerce(pv, raw) == index


@pytest.mark.parametrize(
    "raw", [-1, 2, 17, 0.5, math.nan, math.inf, -math.inf, GOOGOL, "yes", "", "-1", "2", "1.0", b"\xff", []]
)
def test_enum_refuses_what_is_no_state_and_names_the_states(raw: Raw) -> None:
    assert "0 Disabled, 1 Enabled" in refusal(CONTROL, raw)


@given(number=st.integers(0, 2**31 - 1))
@quiet
def test_long_takes_a_number_however_it_is_written(number: int) -> None:
    for raw in (number, float(number), str(number), f" {number}\n", str(number).encode() + b"\0", f"{number}.0"):
        assert coerce(EXPECT, raw) == number


@pytest.mark.parametrize(
    "raw",
    [
        2**31,
        -(2**31) - 1,
        5e9,
        5_000_000_000,
        GOOGOL,
        THOUSANDS_OF_DIGITS,
        math.nan,
        math.inf,
        0.5,
        "",
        "ten",
        pytest.param("9" * 400, id="digits"),
        b"\xe9",
        [],
    ],
)
def test_long_refuses_what_int32_cannot_hold(raw: Raw) -> None:
    refusal(INDEX, raw)


def test_long_refuses_what_its_own_limits_forbid() -> None:
    assert "from -1 to 2147483647" in refusal(INDEX, -2)
    assert coerce(INDEX, -1) == -1


@given(number=st.floats(0.05, 60.0))
@quiet
def test_double_keeps_every_bit(number: float) -> None:
    for raw in (number, repr(number), repr(number).encode() + b"\0\0"):
        assert coerce(POLL, raw) == number


@pytest.mark.parametrize(
    "raw", [math.nan, math.inf, -math.inf, "nan", "inf", "1e999", GOOGOL, 0.0499, 60.1, 0, "", "fast"]
)
def test_double_refuses_what_is_not_in_its_range(raw: Raw) -> None:
    refusal(POLL, raw)


def test_refusal_of_a_number_says_what_would_be_right() -> None:
    assert refusal(POLL, 61) == "PollPeriod takes 0.05 to 60 s, not 61"


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64))
@quiet
def test_text_round_trip_with_the_nuls_that_clients_add(text: str) -> None:
    for raw in (text, text.encode(), text.encode() + b"\0", text.encode() + b"\0" * 100, text + "\0old tail"):
        assert coerce(NAME, raw) == text


@given(data=st.binary(max_size=100))
@quiet
def test_any_bytes_are_text(data: bytes) -> None:
    text = decode(data)
    assert "\0" not in text
    assert text.encode("utf-8") == data.split(b"\0")[0] or text.encode("latin-1") == data.split(b"\0")[0]


def test_latin1_of_phoebus_and_utf8_mean_the_same() -> None:
    assert coerce(NAME, "André".encode("latin-1")) == coerce(NAME, "André".encode()) == "André"


@pytest.mark.parametrize("raw", ["", b"", b"\0", b"\0" * 100, [], ()])
def test_cleared_text_is_empty(raw: Raw) -> None:
    assert coerce(NAME, raw) == ""


@given(length=st.integers(0, 80), letter=st.sampled_from("xé日😀"))
@quiet
def test_length_is_counted_in_bytes(length: int, letter: str) -> None:
    text = letter * length
    size_bytes = len(text.encode())
    if size_bytes <= 39:
        assert coerce(OWNER_ID, text) == text
    else:
        assert f"at most 39 bytes, not {size_bytes}" in refusal(OWNER_ID, text)


def test_text_at_its_length_and_one_byte_more() -> None:
    for pv in SCALARS:
        if pv.kind is Kind.TEXT:
            assert coerce(pv, "x" * pv.length) == "x" * pv.length
            refusal(pv, "x" * (pv.length + 1))


@pytest.mark.parametrize("raw", ["\udc80", "a\ud800b", ["ok", "\udfff"]])
def test_surrogates_are_no_text(raw: Raw) -> None:
    assert "is not text" in refusal(NAME, raw)


@given(lines=st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1), max_size=20))
@quiet
def test_lines_round_trip(lines: list[str]) -> None:
    assert coerce(USERS, lines) == coerce(USERS, "\n".join(lines).encode() + b"\0") == tuple(lines)


@pytest.mark.parametrize("name", ["WF1:Stages", "Status", "RPC"])
def test_structured_pvs_cannot_be_put(name: str) -> None:
    assert "cannot be put" in refusal(CATALOGUE[name], "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("x" * 10_000_000, id="text"),
        pytest.param(b"\0" * 10_000_000, id="bytes"),
        THOUSANDS_OF_DIGITS,
        "a\nb\u2028c\x85",
        pytest.param(["x"] * 1000, id="list"),
        math.nan,
    ],
)
def test_shown_is_short_and_on_one_line(raw: object) -> None:
    text = shown(raw)
    assert len(text) <= 63
    assert len(text.splitlines()) == 1


def test_commands_take_their_states_only() -> None:
    assert (coerce(START, 1), coerce(START, "Busy"), coerce(START, "0")) == (1, 1, 0)
    refusal(START, 2)
