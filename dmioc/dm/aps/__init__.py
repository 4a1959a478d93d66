"""Client of DM over the official package ``aps-dm-api`` (module ``dm``, from conda only), by its documented methods.

`ApsDm` is the backend, `ApsSettings` what it is made of, `installed_at` tells whether the package is there.
"""

from dmioc.dm.aps.client import ApsDm
from dmioc.dm.aps.methods import Method, method_table
from dmioc.dm.aps.package import ApsPackage, installed_at
from dmioc.dm.aps.settings import ApsSettings

__all__ = ["ApsDm", "ApsPackage", "ApsSettings", "Method", "installed_at", "method_table"]
