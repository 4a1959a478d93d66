"""Slots of one kind, as many as the gateway has."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Generic, Self, TypeVar

from ophyd import Component as Cpt
from ophyd import Device, Kind

from dmioc.devices.device import DMDevice

Slot = TypeVar("Slot", bound=Device)


class SlotBank(DMDevice, Generic[Slot]):
    """All slots of a kind. The slots of a gateway with the contract's numbers are declared; other numbers make a subclass.

    Attributes:
        slot_class: device of one slot.
        slot_group: start of the names of their groups: ``WF`` of ``WF1:``; in small letters that of the components.
        slot_count: how many there are.
    """

    slot_class: ClassVar[type[Device]]
    slot_group: ClassVar[str]
    slot_count: ClassVar[int]

    def __new__(cls, prefix: str = "", *, slots: int | None = None, **_: Any) -> Self:
        """A device of the class with so many slots."""
        return object.__new__(cls.with_slots(slots))

    def __init__(self, prefix: str = "", *, name: str, slots: int | None = None, **kwargs: Any) -> None:
        """As many slots as the class has, or ``slots`` of them."""
        super().__init__(prefix, name=name, **kwargs)

    @classmethod
    def with_slots(cls, count: int | None) -> type[Self]:
        """The class with so many slots (None: as they are); raises `ValueError` for a number below 0."""
        if count is None or count == cls.slot_count:
            return cls
        sized: type[Self] = _sized(cls, count)
        return sized

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots in order."""
        return tuple(getattr(self, attribute) for attribute in _attributes(type(self)))

    @property
    def hints(self) -> dict[str, Any]:
        """None: a plot of every slot is nobody's wish; a slot read by itself has hints."""
        return {"fields": []}


def _attributes(bank: type[SlotBank[Any]]) -> tuple[str, ...]:
    return tuple(f"{bank.slot_group.lower()}{number}" for number in range(1, bank.slot_count + 1))


@functools.cache
def _sized(bank: type[Any], count: int) -> type[Any]:
    """A subclass with so many slots."""
    if count < 0:
        raise ValueError(f"{bank.__name__} takes a number of slots from 0, not {count}")
    # ophyd takes a component away where a subclass sets it to None.
    attributes: dict[str, Any] = dict.fromkeys(_attributes(bank)[count:])
    for number in range(bank.slot_count + 1, count + 1):
        group = f"{bank.slot_group}{number}"
        attributes[group.lower()] = Cpt(bank.slot_class, f"{group}:", kind=Kind.normal, doc=f"Slot {group}")
    more = {"slot_count": count, "__doc__": bank.__doc__, "__module__": bank.__module__}
    return type(f"{bank.__name__}{count}", (bank,), attributes | more)
