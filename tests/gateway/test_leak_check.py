"""The leak check of every gateway test finds a leak of each kind, and none where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import CaClient, GatewayProcess
from gateway_resources import Held, check_for_leaks, held_by, more_than
from pva_client import pva_context, watched

LAUNCHER = str(Path(__file__).parent.with_name("leaking_launcher.py"))
SOON_S = 1.0


@pytest.fixture(scope="module")
def gateway(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that leaks when it is put to some PVs."""
    process = GatewayProcess(tmp_path_factory.mktemp("leaking") / "state")
    process.launcher = (LAUNCHER,)
    try:
        yield process.start()
    finally:
        process.end()


def leaks(gateway: GatewayProcess, start: Held) -> str:
    with pytest.raises(AssertionError, match="leaks") as caught:
        check_for_leaks(gateway, start, SOON_S)
    return str(caught.value)


@pytest.mark.parametrize(
    ("pv", "value", "found"),
    [
        ("LostAfter", 30.0, "'/dev/zero': '1 -> 2'"),
        ("EXP:New:Name", "a", "'kept': '0 -> 2'"),
        ("EXP:New:Type", "a", "'threads': "),
        ("EXP:New:Description", "a", "'SharedPVImpl': "),
    ],
)
def test_what_is_left_behind_is_found(
    gateway: GatewayProcess, ca: CaClient, pv: str, value: object, found: str
) -> None:
    start = held_by(gateway)
    for _ in range(2):
        ca.put(pv, value)
    assert found in leaks(gateway, start)


def test_clients_that_have_gone_leave_nothing(gateway: GatewayProcess, ca: CaClient) -> None:
    start = held_by(gateway)
    for _ in range(3):
        with pva_context() as pva, watched(pva, f"{gateway.prefix}JOB:List"):
            pva.get(f"{gateway.prefix}State")
            assert more_than(start, held_by(gateway)) == {}
        ca.get("State")
    check_for_leaks(gateway, start)
