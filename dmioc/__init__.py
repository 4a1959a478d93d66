"""dmioc: an EPICS soft IOC gateway to the APS Data Management system."""

__version__ = "0.1.0"
