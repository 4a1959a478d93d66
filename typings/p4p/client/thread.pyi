"""The part of p4p's blocking client that dmioc uses."""

from collections.abc import Callable, Sequence
from typing import Any, Self, overload

from p4p import Value
from p4p.client import raw
from p4p.client.raw import Cancelled as Cancelled
from p4p.client.raw import Disconnected as Disconnected
from p4p.client.raw import Finished as Finished
from p4p.client.raw import RemoteError as RemoteError

class Subscription:
    _S: raw.Subscription | None
    def __init__(
        self, ctxt: Context, name: str, cb: Callable[[object], None], *more: object, **options: Any
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def _event(self) -> None: ...
    def close(self) -> None: ...

class Context(raw.Context):
    @overload
    def get(self, name: str, request: str | None = ..., timeout: float = ..., throw: bool = ...) -> Value: ...
    @overload
    def get(
        self, name: Sequence[str], request: str | None = ..., timeout: float = ..., throw: bool = ...
    ) -> list[Any]: ...
    def put(
        self,
        name: str | Sequence[str],
        values: object,
        request: str | None = ...,
        timeout: float = ...,
        throw: bool = ...,
        process: str | None = ...,
        wait: bool | None = ...,
        get: bool = ...,
    ) -> Any: ...
    def rpc(
        self, name: str, value: Value, request: str | None = ..., timeout: float = ..., throw: bool = ...
    ) -> Value: ...
    def monitor(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        cb: Callable[[object], None],
        request: str | None = ...,
        notify_disconnect: bool = ...,
        queue: Any = ...,
    ) -> Subscription: ...
