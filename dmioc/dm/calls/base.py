"""What the calls of every service stand on: one way to ask DM, by DM's own name of the method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

from dmioc.dm.readers.bodies import Reader

T = TypeVar("T")


class Calls(ABC):
    """Asks DM; how the question travels is the backend's."""

    @property
    @abstractmethod
    def station(self) -> str:
        """Name of the DM station, e.g. ``25IDC``."""

    @abstractmethod
    async def _call(
        self,
        name: str,
        values: Mapping[str, str],
        make_reader: Callable[[str], Reader[T]],
        is_question: bool = False,
    ) -> T:
        """Ask and answer what the reader made of the answer.

        Args:
            name: DM's name of the method, e.g. ``getExperimentByName`` (``dm-protocol.md §10``).
            values: A text for each of its parameters; ``json`` and ``query`` hold JSON. The station is known without.
            make_reader: Makes the reader of the answer from the words that errors begin with.
            is_question: Whether "not found" is an answer like any other, which does not count as an error.

        Raises:
            DmError: one of its children, with a text that begins with the service and the method.
        """
