"""From the catalogue to files: records, panels, the lists of autosave, archiver and alarm server, the PV reference."""

from dmioc.render.files import generated_files, write
from dmioc.render.site import PANELS, Site

__all__ = ["PANELS", "Site", "generated_files", "write"]
