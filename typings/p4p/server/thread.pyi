from collections.abc import Callable
from typing import Any

from p4p import Value
from p4p.server import raw

class SharedPV(raw.SharedPV):
    def __init__(self, handler: object | None = None, initial: Value | None = None, **kws: Any) -> None: ...
    def put(self, handler: Callable[..., None]) -> Callable[..., None]: ...
    def rpc(self, handler: Callable[..., None]) -> Callable[..., None]: ...
