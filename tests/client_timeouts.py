"""Time for clients of other hands: what they wait for an answer by default is meant for a machine that is not at work.

These are ends of waits that should not come, no bounds: a test that is about time measures it.
"""

from __future__ import annotations

ANSWER_TIMEOUT_S = 60.0
"""How long a client waits before it says so: libca looks less and less often for a lost PV, up to 40 s after a restart."""

CLIENT_TIMEOUTS = {"CAPROTO_DEFAULT_TIMEOUT": str(ANSWER_TIMEOUT_S)}
"""Environment of every client that a test starts (caproto: 2 s)."""


def give_clients_time() -> None:
    """Defaults of pyepics (2 s to connect) and ophyd (1 s to connect, 2 s to read); before the first signal is made."""
    import epics
    from ophyd.signal import EpicsSignalBase

    epics.ca.DEFAULT_CONNECTION_TIMEOUT = ANSWER_TIMEOUT_S
    EpicsSignalBase.set_defaults(timeout=ANSWER_TIMEOUT_S, connection_timeout=ANSWER_TIMEOUT_S)
