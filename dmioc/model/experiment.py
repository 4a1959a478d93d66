"""A DM experiment: one proposal's data and who may see them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment as DM describes it (``dm-protocol.md §3.2``); texts are empty where DM gave nothing.

    ``start_date``, ``end_date`` and ``created`` are ISO 8601 text; list answers of DM carry no directories and no users.
    """

    name: str
    id: int = 0
    type: str = ""
    description: str = ""
    start_date: str = ""
    end_date: str = ""
    created: str = ""
    root_path: str = ""
    storage_name: str = ""
    storage_host: str = ""
    storage_url: str = ""
    storage_directory: str = ""
    data_directory: str = ""
    analysis_directory: str = ""
    users: tuple[str, ...] = ()
    user_count: int = 0
    metadata: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """What is needed to create an experiment; dates are ISO 8601 (``YYYY-MM-DD``) or empty for DM's default."""

    name: str
    type: str = ""
    description: str = ""
    start_date: str = ""
    end_date: str = ""
