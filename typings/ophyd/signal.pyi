import threading
from collections.abc import Callable
from typing import Any

from ophyd.ophydobj import Kind, OphydObject
from ophyd.status import Status, StatusBase

DEFAULT_CONNECTION_TIMEOUT: object
DEFAULT_TIMEOUT: object
DEFAULT_WRITE_TIMEOUT: object

class Signal(OphydObject):
    SUB_VALUE: str
    SUB_META: str
    cl: Any
    _readback: Any
    _metadata: dict[str, Any]
    _metadata_thread_ctx: Any
    def __init__(
        self,
        *,
        name: str,
        value: Any = ...,
        dtype: str | None = None,
        shape: tuple[int, ...] | None = None,
        timestamp: float | None = None,
        parent: OphydObject | None = None,
        labels: set[str] | None = None,
        kind: Kind | str = ...,
        tolerance: float | None = None,
        rtolerance: float | None = None,
        metadata: dict[str, Any] | None = None,
        cl: Any = None,
        attr_name: str = "",
    ) -> None: ...
    def get(self, **kwargs: Any) -> Any: ...
    def put(self, value: Any, **kwargs: Any) -> None: ...
    def set(self, value: Any, *, timeout: Any = None, settle_time: float | None = None) -> StatusBase: ...
    def trigger(self) -> StatusBase: ...
    def check_value(self, value: Any) -> None: ...
    def wait_for_connection(self, timeout: Any = ...) -> None: ...
    @property
    def timestamp(self) -> float: ...
    @property
    def limits(self) -> tuple[Any, Any]: ...
    @property
    def write_access(self) -> bool: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def source_name(self) -> str: ...

class SignalRO(Signal): ...

class EpicsSignalBase(Signal):
    _auto_monitor: bool
    _read_pv: Any
    _read_pvname: str
    _monitors: dict[str, int | None]
    _metadata_lock: threading.RLock
    def __init__(
        self,
        read_pv: str,
        *,
        string: bool = False,
        auto_monitor: Any = ...,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
        timeout: Any = ...,
        write_timeout: Any = ...,
        connection_timeout: Any = ...,
        **kwargs: Any,
    ) -> None: ...
    @classmethod
    def set_defaults(
        cls, *, timeout: float = ..., connection_timeout: float = ..., write_timeout: float | None = ...
    ) -> None: ...
    @property
    def pvname(self) -> str: ...
    @property
    def connection_timeout(self) -> float: ...
    @property
    def timeout(self) -> float: ...
    @property
    def write_timeout(self) -> float: ...
    @property
    def enum_strs(self) -> tuple[str, ...] | None: ...
    @property
    def alarm_severity(self) -> int: ...
    def _initial_metadata_callback(self, pvname: str, cl_metadata: dict[str, Any]) -> None: ...
    def _read_changed(self, value: Any = None, **kwargs: Any) -> None: ...
    def _add_callback(self, pvname: str, pv: Any, cb: Callable[..., None]) -> None: ...
    def _pv_connected(self, pvname: str, conn: bool, pv: Any) -> None: ...
    def _fix_type(self, value: Any) -> Any: ...
    def _get_with_timeout(
        self,
        pv: Any,
        timeout: Any,
        connection_timeout: Any,
        count: int | None,
        as_string: bool,
        form: str,
        use_monitor: bool,
    ) -> dict[str, Any]: ...

class EpicsSignalRO(EpicsSignalBase): ...

class EpicsSignal(EpicsSignalBase):
    _write_pv: Any
    _put_complete: bool
    def __init__(
        self,
        read_pv: str,
        write_pv: str | None = None,
        *,
        put_complete: bool = False,
        string: bool = False,
        limits: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None: ...
    def set(self, value: Any, *, timeout: Any = ..., settle_time: float | None = None) -> Status: ...
    @property
    def setpoint_pvname(self) -> str: ...
    @property
    def put_complete(self) -> bool: ...
    @put_complete.setter
    def put_complete(self, value: bool) -> None: ...

_Callback = Callable[..., Any]
