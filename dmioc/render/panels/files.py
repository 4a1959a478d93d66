"""The files of all panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.panels import caqtdm, medm, phoebus, pydm
from dmioc.render.panels.station import station_panels

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue


def panel_files(catalogue: Catalogue) -> dict[str, str]:
    """The text of each panel's file by its path relative to the repository, for every display manager."""
    texts: dict[str, str] = {}
    for panel in station_panels(catalogue):
        texts[f"{phoebus.FOLDER}/{panel.file_stem}.{phoebus.EXTENSION}"] = phoebus.bob(panel, catalogue)
        texts[f"{medm.FOLDER}/{panel.file_stem}.{medm.EXTENSION}"] = medm.adl(panel, catalogue)
        texts[f"{caqtdm.FOLDER}/{panel.file_stem}.{caqtdm.EXTENSION}"] = caqtdm.caqtdm_ui(panel, catalogue)
        texts[f"{pydm.FOLDER}/{panel.file_stem}.{pydm.EXTENSION}"] = pydm.pydm_ui(panel, catalogue)
    return texts
