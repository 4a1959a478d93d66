"""Channel Access: every scalar PV of the catalogue, over TCP and UDP (``pv-contract.md §1``).

caproto gives the protocol's facts: the layouts of the DBR types, the status codes and the environment's meaning. The circuits
are our own, on asyncio's transports, since caproto's server (1.3.0) was measured and does not keep the contract: one stalled
client stops the monitors of all, a pending put delays the gets of its connection, a monitor asked for with a full count shows
the tail of an older text (``epics-notes.md §3``), and a channel cleared under a live monitor ends all monitors of its circuit
at the next update (reproduced). A get costs a seventh of its processor time, a put a third.
"""

from dmioc.serve.ca.attachments import Rights
from dmioc.serve.ca.search import prefix_is_served
from dmioc.serve.ca.server import CaServer
from dmioc.serve.ca.settings import CaSettings

__all__ = ["CaServer", "CaSettings", "Rights", "prefix_is_served"]
