"""PVAccess: every PV of the catalogue, and tables, structures and queries by name (``pv-contract.md §1``, §9).

p4p's C++ server (PVXS) keeps the values and speaks the protocol; gets and monitors never come to Python. What is ours: types
that do not change while the server runs; posts of the fields that changed and of no others; and an answer to every put and every
query, whatever happens behind it (``epics-notes.md §4``). PVXS binds its UDP port on every interface, also when it is told
loopback; its TCP port is bound as told.
"""

from dmioc.serve.pva.server import PvaServer
from dmioc.serve.pva.settings import PvaSettings

__all__ = ["PvaServer", "PvaSettings"]
