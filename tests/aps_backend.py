"""`ApsDm` over the stand-in for ``aps-dm-api`` in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dmioc.dm.aps import ApsSettings

STAND_IN = Path(__file__).parent / "dm" / "aps_stand_in"


@contextmanager
def stand_in(**variables: str) -> Iterator[None]:
    """The stand-in can be imported, and behaves as the variables tell; it is forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        forget()
        patch.syspath_prepend(str(STAND_IN))
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            yield
        finally:
            forget()


def forget() -> None:
    """Nothing of a module ``dm`` has been imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == "dm"]:
        del sys.modules[name]


def settings_of(urls: Mapping[str, str], **changes: object) -> ApsSettings:
    """Settings for services by name."""
    content: dict[str, object] = {
        "ds_url": urls["DS"],
        "daq_url": urls["DAQ"],
        "proc_url": urls["PROC"],
        "cat_url": urls["CAT"],
        "station": "DEMO",
        **changes,
    }
    return ApsSettings(**content)  # pyright: ignore[reportArgumentType] - a test may change any key


class Faults:
    """The file of faults of the stand-in: DM's method -> ``hang``, ``answer: JSON`` or ``ExceptionClass: text``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set()

    def set(self, **faults: str) -> None:
        """From now on these faults and no others."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(faults), "utf-8")
        new.rename(self.path)

    @property
    def environment(self) -> dict[str, str]:
        """The variable by which the stand-in finds the file."""
        return {"APS_STAND_IN_FAULTS": str(self.path)}
