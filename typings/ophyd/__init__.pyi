"""The part of ophyd that dmioc uses; ophyd itself has no annotations that a checker can use."""

from ophyd.device import Component as Component
from ophyd.device import Device as Device
from ophyd.ophydobj import Kind as Kind
from ophyd.ophydobj import OphydObject as OphydObject
from ophyd.signal import EpicsSignal as EpicsSignal
from ophyd.signal import EpicsSignalRO as EpicsSignalRO
from ophyd.signal import Signal as Signal
from ophyd.signal import SignalRO as SignalRO

def set_cl(control_layer: str | None = None, *, pv_telemetry: bool = False) -> None: ...
