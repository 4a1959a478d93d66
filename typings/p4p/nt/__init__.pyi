from collections.abc import Sequence
from typing import Any

from p4p import Type, Value

class NTScalar:
    def __init__(self, valtype: str = "d") -> None: ...
    def wrap(self, value: object) -> Value: ...
    @staticmethod
    def buildType(
        valtype: str,
        extra: Sequence[tuple[str, Any]] = ...,
        display: bool = False,
        control: bool = False,
        valueAlarm: bool = False,
        form: bool = False,
    ) -> Type: ...

class NTEnum:
    @staticmethod
    def buildType(
        extra: Sequence[tuple[str, Any]] = ..., display: bool = False, control: bool = False, valueAlarm: bool = False
    ) -> Type: ...

class NTTable:
    @staticmethod
    def buildType(columns: Sequence[tuple[str, Any]] = ..., extra: Sequence[tuple[str, Any]] = ...) -> Type: ...

class NTURI:
    def __init__(self, args: Sequence[tuple[str, Any]]) -> None: ...
    def wrap(self, path: str, args: Sequence[Any] = ..., kws: dict[str, Any] = ...) -> Any: ...
