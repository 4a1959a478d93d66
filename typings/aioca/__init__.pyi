from collections.abc import Callable
from typing import Any

DBR_CHAR_STR: int
DBR_ENUM_STR: int
DBR_STRING: int

class CANothing(Exception):
    errorcode: int

class Subscription:
    def close(self) -> None: ...

async def caget(pv: str, *, datatype: int | None = None, timeout: float | None = 5.0) -> Any: ...
async def caput(pv: str, value: object, *, wait: bool = False, timeout: float | None = 5.0) -> CANothing: ...
def camonitor(pv: str, callback: Callable[[Any], None], *, notify_disconnect: bool = False) -> Subscription: ...
def purge_channel_caches() -> None: ...
