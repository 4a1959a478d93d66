"""Names of components from names of PVs."""

from __future__ import annotations

import re

TAKEN = frozenset({"name", "report", "stage", "stop"})
"""Attributes that ophyd's own devices have: a component cannot have these names."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def component_name(short_name: str) -> str:
    """Attribute of a device for a PV of its group, in small letters with underscores between the words.

    ``FilesTotal`` is ``files_total``, ``DataDirectory_RBV`` is ``data_directory_rbv``, ``JobID`` is ``job_id``. A PV of a
    group within the group is a component of a sub device: ``New:Name`` is ``new.name_``, ``DS:State`` is ``ds.state``.
    Names that ophyd's devices have themselves (`TAKEN`) get an underscore at the end: ``Stop`` is ``stop_``. That underscore
    is not in documents: ``workflows.wf1.name_`` of a station ``dm`` has the data key ``dm_workflows_wf1_name``.
    """
    parts = [_WORD_START.sub("_", part).lower() for part in short_name.split(":")]
    return ".".join(f"{part}_" if part in TAKEN else part for part in parts)
