"""Channel Access: every scalar PV of the catalogue, over TCP and UDP (``pv-contract.md §1``).

A caproto IOC: caproto parses, serialises and converts, and its asyncio server is subclassed where it does not keep the contract
(``epics-notes.md §3``): each class says what and why.
"""

from dmioc.serve.ca.channels import Rights
from dmioc.serve.ca.search import served_already
from dmioc.serve.ca.server import CaServer
from dmioc.serve.ca.settings import CaSettings

__all__ = ["CaServer", "CaSettings", "Rights", "served_already"]
