"""The part of p4p's blocking client that dmioc uses."""

from collections.abc import Callable, Mapping

from p4p import Value
from p4p.client import raw
from p4p.client.raw import Cancelled as Cancelled
from p4p.client.raw import Disconnected as Disconnected
from p4p.client.raw import Finished as Finished
from p4p.client.raw import RemoteError as RemoteError

class Subscription:
    def close(self) -> None: ...

class Context(raw.Context):
    def get(self, name: str, request: str | None = ..., timeout: float = ...) -> Value: ...
    def put(
        self,
        name: str,
        values: object,
        request: str | None = ...,
        timeout: float = ...,
        process: str | None = ...,
        wait: bool | None = ...,
        get: bool = ...,
    ) -> None: ...
    def rpc(self, name: str, value: Value, request: str | None = ..., timeout: float = ...) -> Value: ...
    def monitor(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        cb: Callable[[object], None],
        request: str | None = ...,
        notify_disconnect: bool = ...,
    ) -> Subscription: ...
