"""Client of DM's REST protocol (``dm-protocol.md``). Shares no code with ``localdm``.

`RestDm` is the backend, `RestSettings` what it is made of, `endpoint_table` what it will send where.
"""

from dmioc.dm.rest.client import RestDm
from dmioc.dm.rest.endpoints import Endpoint, endpoint_table
from dmioc.dm.rest.settings import RestSettings

__all__ = ["Endpoint", "RestDm", "RestSettings", "endpoint_table"]
