"""What the devices of this package have in common."""

from __future__ import annotations

from typing import Any

from ophyd import Device

CONNECTION_TIMEOUT_S = 10.0


class DMDevice(Device):
    """A device whose failure to connect can be read: a station has some 300 PVs, and ophyd names them all."""

    def wait_for_connection(self, all_signals: bool = False, timeout: Any = CONNECTION_TIMEOUT_S) -> None:
        """Wait until every PV is connected, ``timeout`` s at most; raises `TimeoutError`, which names the first missing one."""
        try:
            super().wait_for_connection(all_signals=all_signals, timeout=timeout)
        except TimeoutError as error:
            signals = [walked.item for walked in self.walk_signals()]
            missing = [signal.pvname for signal in signals if not signal.connected]
            if not missing:
                raise
            raise TimeoutError(
                f"{self.name}: {len(missing)} of {len(signals)} PVs were not found within {timeout:g} s, first {missing[0]}:"
                " is the gateway running, has it as many slots, and do prefix and EPICS_CA_ADDR_LIST fit?"
            ) from error
