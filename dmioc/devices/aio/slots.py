"""Slots of one kind, as many as the gateway has."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from dmioc.devices.aio.device import CommandGroup, GatewayDevice, WithoutHints

Slot = TypeVar("Slot", bound=CommandGroup)


class SlotBank(WithoutHints, GatewayDevice, Generic[Slot]):
    """All slots of a kind; a slot is an attribute by its group's name in small letters: ``wf1`` for ``WF1:``.

    Attributes:
        slot_class: device of one slot.
        slot_group: start of the names of their groups: ``WF`` of ``WF1:``.
        slot_count: how many there are where none is said.
        slots: the slots in order.
    """

    slot_class: ClassVar[type[Any]]
    slot_group: ClassVar[str]
    slot_count: ClassVar[int]

    def __init__(self, prefix: str, name: str = "", *, slots: int | None = None) -> None:
        """The slots of the gateway at ``prefix``, e.g. ``ca://DEMO:DM:``; raises `ValueError` for a number below 0."""
        super().__init__(prefix)
        count = self.slot_count if slots is None else slots
        if count < 0:
            raise ValueError(f"{type(self).__name__} takes a number of slots from 0, not {count}")
        self.slots: tuple[Slot, ...] = tuple(
            self.slot_class(f"{prefix}{self.slot_group}{number}:") for number in range(1, count + 1)
        )
        for number, slot in enumerate(self.slots, start=1):
            setattr(self, f"{self.slot_group.lower()}{number}", slot)
        self.add_readables(self.slots)
        self.set_name(name)
