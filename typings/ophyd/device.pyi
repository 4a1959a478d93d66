from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from ophyd.ophydobj import Kind, OphydObject

K = TypeVar("K", bound=OphydObject)

class Component(Generic[K]):
    attr: str
    cls: type[K]
    kwargs: dict[str, Any]
    suffix: str | None
    doc: str | None
    kind: Kind
    def __init__(
        self,
        cls: type[K],
        suffix: str | None = None,
        *,
        lazy: bool | None = None,
        trigger_value: Any = None,
        add_prefix: Sequence[str] | None = None,
        doc: str | None = None,
        kind: Kind | str = ...,
        **kwargs: Any,
    ) -> None: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Component[K]: ...
    @overload
    def __get__(self, instance: Device, owner: type) -> K: ...

class Device(OphydObject):
    prefix: str
    component_names: tuple[str, ...]
    def __init__(
        self,
        prefix: str = "",
        *,
        name: str,
        kind: Kind | str | None = None,
        read_attrs: Sequence[str] | None = None,
        configuration_attrs: Sequence[str] | None = None,
        parent: OphydObject | None = None,
        child_name_separator: str = "_",
        connection_timeout: float = ...,
        **kwargs: Any,
    ) -> None: ...
    def wait_for_connection(self, all_signals: bool = False, timeout: float | object = ...) -> None: ...
    @classmethod
    def walk_components(cls) -> Iterator[Any]: ...
    def walk_signals(self, *, include_lazy: bool = False) -> Iterator[Any]: ...
    def walk_subdevices(self, *, include_lazy: bool = False) -> Iterator[Any]: ...
