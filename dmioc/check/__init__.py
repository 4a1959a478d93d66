"""``dmioc check``: what a gateway with these settings would meet, before anybody relies on it.

Nothing is changed by it: no file is written, no command sent to DM, and sockets are given back at once.
"""

from dmioc.check.findings import Finding, Report, Result
from dmioc.check.station import check_station

__all__ = ["Finding", "Report", "Result", "check_station"]
