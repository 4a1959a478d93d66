"""From the catalogue to files: the record database and the PV reference in ``db/``."""

from dmioc.render.files import generated_files, write

__all__ = ["generated_files", "write"]
