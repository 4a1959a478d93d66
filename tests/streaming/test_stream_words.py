"""What a workflow may report is said twice, since the package needs p4p alone: here and in the gateway, in the same words."""

from __future__ import annotations

from dmioc.catalogue.streams import MESSAGE_BYTES, RESULT_BYTES
from dmioc.model.stream import REPORTABLE
from dmioc.model.stream_session import StreamState as SessionState
from dmioc.streaming import reports


def test_states_are_those_that_the_gateway_takes() -> None:
    assert {state.value for state in reports.StreamState} == {state.value for state in REPORTABLE}


def test_final_states_end_a_session() -> None:
    for state in reports.StreamState:
        assert state.is_final != SessionState(state.value).is_active


def test_sizes_fit_the_gateways_pvs() -> None:
    assert reports.RESULT_BYTES == RESULT_BYTES
    assert reports.MESSAGE_CHARACTERS <= MESSAGE_BYTES
