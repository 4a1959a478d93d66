"""Setpoints: what is set is held and read at once, and what cannot be held is refused with a reason."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from gateway_process import CaClient, GatewayProcess
from waiting import wait_until

from dmioc.errors import RefusedError

if TYPE_CHECKING:
    from dmioc.devices import DMStation

TEXTS = ["", "a", "two\nlines", "Größe µm 測定 🔬", "  blanks at the ends  ", "x" * 256, "é" * 128]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_as_it_was_set(station: DMStation, text: str) -> None:
    slot = station.workflows.wf4
    slot.name_.set(text).wait(10)
    assert slot.name_.get() == text
    assert slot.name_.read()[slot.name_.name]["value"] == text
    assert slot.name_.get(use_monitor=False) == text


def test_no_tail_of_a_longer_text(station: DMStation) -> None:
    args = station.workflows.wf4.args
    for text in ("x" * 16384, "short", "", "y" * 40):
        args.set(text).wait(10)
        assert args.get() == text and args.get(use_monitor=False) == text


def test_metadata_of_a_mebibyte(station: DMStation) -> None:
    text = '{"a": "' + "µ" * 524000 + '"}'
    station.metadata.json.set(text).wait(20)
    assert station.metadata.json.get() == text
    station.metadata.json.set("{}").wait(20)
    assert station.metadata.json.get() == "{}"


@pytest.mark.parametrize("text", ["", "request-1", "é" * 19])
def test_string(station: DMStation, text: str) -> None:
    signal = station.workflows.wf4.request_id
    signal.set(text).wait(10)
    assert signal.get() == text == signal.get(use_monitor=False)


def test_number_and_choice(station: DMStation) -> None:
    slot = station.workflows.wf4
    slot.report_period.set(12.5).wait(10)
    assert slot.report_period.get() == 12.5
    slot.if_running.set("Refuse").wait(10)
    assert slot.if_running.get() == "Refuse"
    slot.if_running.set(0).wait(10)
    assert slot.if_running.get() == "Start"
    station.streams.str1.wf_slot.set(3).wait(10)
    assert station.streams.str1.wf_slot.get() == 3
    station.streams.str1.wf_slot.set(0).wait(10)


REFUSED: list[tuple[str, Any, str]] = [
    ("workflows.wf4.name_", "x" * 257, "WF4:Name takes a text of up to 256 bytes, not of 257"),
    ("workflows.wf4.name_", "a\0b", "WF4:Name takes a text without NUL"),
    ("workflows.wf4.name_", 7, "WF4:Name takes a text"),
    ("workflows.wf4.request_id", "é" * 20, "WF4:RequestID takes a text of up to 39 bytes, not of 40"),
    ("workflows.wf4.if_running", "Never", "WF4:IfRunning takes one of Start, Wait, Refuse; not 'Never'"),
    ("workflows.wf4.if_running", 3, "WF4:IfRunning takes one of"),
    ("poll_period", 1000.0, "PollPeriod takes 0.05 to 60, not 1000.0"),
    ("poll_period", float("nan"), "PollPeriod takes a finite number"),
    ("poll_period", "fast", "PollPeriod takes a finite number, not 'fast'"),
    ("streams.str1.wf_slot", 1.5, "WFSlot takes a whole number, not 1.5"),
]


@pytest.mark.parametrize(("attribute", "value", "text"), REFUSED)
def test_refused(station: DMStation, attribute: str, value: Any, text: str) -> None:
    signal: Any = station
    for name in attribute.split("."):
        signal = getattr(signal, name)
    before = signal.get(use_monitor=False)
    with pytest.raises(RefusedError) as caught:
        signal.set(value).wait(10)
    assert station.prefix in str(caught.value) and text in str(caught.value)
    assert signal.get() == before == signal.get(use_monitor=False)


def test_refusal_by_the_gateway_is_seen(station: DMStation) -> None:
    """Channel Access gives pyepics no sign of a failed put: the value that is held does."""
    signal = station.experiment.index
    with pytest.raises(RefusedError, match=r"EXP:Index was not set to 12345: it holds -?\d+"):
        signal.set(12345).wait(30)


def test_put_alone_changes_nothing_before_the_pv_has_changed(station: DMStation) -> None:
    signal = station.workflows.wf4.owner
    signal.set("somebody").wait(10)
    seen: list[str] = []
    news = threading.Event()

    def take(value: str, **_: Any) -> None:
        seen.append(value)
        news.set()

    signal.subscribe(take, run=False)
    signal.put("")
    assert news.wait(10)
    assert signal.get() == ""
    signal.clear_sub(take)
    assert seen == [""]


def test_read_only(station: DMStation) -> None:
    with pytest.raises(Exception, match=r"[Rr]ead-only"):
        station.workflows.wf1.status.put("Done")


def test_experiment_is_known_when_its_name_is_set(station: DMStation) -> None:
    experiment = station.experiment
    experiment.name_.set("no-such-experiment").wait(30)
    assert experiment.state.get() == "NotFound"
    assert experiment.data_directory.get() == ""
    experiment.name_.set("demo").wait(30)
    assert experiment.state.get() == "Loaded"
    assert experiment.data_directory.get().endswith("/demo/data")
    assert experiment.read()["dm_experiment_name"]["value"] == "demo"


def test_what_another_client_puts_is_seen(station: DMStation, gateway: GatewayProcess) -> None:
    other = CaClient(gateway.prefix)
    try:
        other.put("WF4:Name", "from outside")
        wait_until(lambda: station.workflows.wf4.name_.get() == "from outside")
    finally:
        other.close()


def test_reading_asks_nothing_of_the_network(station: DMStation, monkeypatch: pytest.MonkeyPatch) -> None:
    import epics

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a value was asked for over the network")

    monkeypatch.setattr(epics.ca, "get_with_metadata", refuse)
    monkeypatch.setattr(epics.ca, "get", refuse)
    assert len(station.read()) > 50
    assert len(station.read_configuration()) > 50
    assert len(station.describe()) == len(station.read())
