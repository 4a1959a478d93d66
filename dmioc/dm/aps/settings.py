"""What the client over ``aps-dm-api`` is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dmioc.dm.aps.methods import method_table
from dmioc.dm.station import StationSettings
from dmioc.errors import ConfigurationError


@dataclass(frozen=True)
class ApsSettings(StationSettings):
    """Where DM is, who asks, and what the package is given to work with.

    Attributes:
        threads: Most calls of one service that may be under way at once; DM's server has 10 threads for all its clients
            (``dm-protocol.md §2.2``).
        variables: ``DM_*`` variables that the package finds in its environment while it is imported.
        methods: Corrections of the method table, DM's method name to ``Class.method``.

    Raises:
        ConfigurationError: for a value that cannot be; the text names the key.
    """

    threads: int = 4
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    methods: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threads < 1:
            raise ConfigurationError(f"threads = {self.threads}: 1 or more are needed")
        method_table(self.methods)
