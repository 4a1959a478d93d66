"""localdm's DAQs and uploads: files are really watched, copied, checked, cataloged; all goes on after a restart."""

from dmioc.localdm.transfers.service import Transfers
from dmioc.localdm.transfers.settings import TransferSettings

__all__ = ["TransferSettings", "Transfers"]
